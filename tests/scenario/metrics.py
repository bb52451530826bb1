#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""--listen without a cluster: /metrics, /livez, /readyz."""
import os
import signal
import socket
import sys
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (Agent, documents, external_secret,  # noqa: E402
                      fake_store, host_projection, main, wait)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(port, path):
    """(status, text); (0, why) when nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}",
                                    timeout=5) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()
    except OSError as e:
        return 0, str(e)


def objects(agent):
    agent.manifest("a.yaml", documents(
        fake_store({"v": "s3cr3t-v4lue"}), external_secret("app", {"k": "v"}),
        external_secret("bad", {"k": "nope"}),
        host_projection("web", ["app"], "web"),
        host_projection("bad", ["bad"], "bad")))


def test_metrics_of_a_folder():
    port = free_port()
    with Agent("--listen", f"127.0.0.1:{port}") as a:
        objects(a)
        wait(lambda: get(port, "/readyz") == (200, "ok\n"))
        assert get(port, "/livez") == (200, "ok\n")
        wait(lambda: 'name="bad",namespace="default",condition="Ready",'
             'status="False"} 1' in get(port, "/metrics")[1])
        code, text = get(port, "/metrics")
        lines = text.splitlines()
        assert code == 200
        for line in ('externalsecret_status_condition{name="app",namespace='
                     '"default",condition="Ready",status="True"} 1',
                     'nodeseal_values{source="live"} 1',
                     'nodeseal_externalsecrets 2',
                     'nodeseal_externalsecrets_failed 1',
                     'nodeseal_host_projections 2', 'nodeseal_ready 1',
                     'nodeseal_core_up 1'):
            assert line in lines, (line, text)
        # There is no cluster to speak of.
        assert not any(x.startswith(("nodeseal_api", "nodeseal_problems"))
                       for x in lines), text
        assert not any("API" in x for x in a.status()["degraded"])
        assert "s3cr3t-v4lue" not in text


def test_who_dies_comes_back():
    port = free_port()
    with Agent("--listen", f"127.0.0.1:{port}") as a:
        objects(a)
        wait(lambda: get(port, "/readyz")[0] == 200)
        for name in ("link", "core", "link"):
            pid = a.pids()[name]
            os.kill(pid, signal.SIGKILL)
            wait(lambda n=name, p=pid: a.pids().get(n, p) != p)
            wait(lambda: get(port, "/readyz") == (200, "ok\n"))
            wait(lambda: "nodeseal_externalsecrets 2" in
                 get(port, "/metrics")[1].splitlines())


def test_the_port_is_taken_at_first():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        with Agent("--listen", f"127.0.0.1:{port}") as a:
            objects(a)
            wait(lambda: "Address already in use; trying again" in a.log())
            wait(lambda: (a.es("app") or {}).get("ready"))
            s.close()
            wait(lambda: get(port, "/readyz")[0] == 200)
            assert a.log().count("Address already in use") == 1


if __name__ == "__main__":
    main(globals())
