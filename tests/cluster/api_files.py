#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files for the node itself on a real API server: HostProjections below their
namespace's folder, by the labels of the Node; and one agent a node."""
import contextlib
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from api_agent import ApiAgent, install, put, secret, steady  # noqa: E402
from api_secrets import APP, KEYS  # noqa: E402
from cluster import main  # noqa: E402
from scenario import (NODESEAL, external_secret, fake_store,  # noqa: E402
                      host_projection, read, wait)

PROJECTIONS = "/apis/nodeseal.dev/v1alpha1/namespaces/default/hostprojections"


@contextlib.contextmanager
def world(c):
    install(c)
    put(c, fake_store(KEYS), external_secret("app", APP))
    with ApiAgent(c) as a:
        a.ready(20)
        try:
            yield a
        finally:
            c.kubectl("delete", "externalsecrets,secretstores,hostprojections",
                      "--all")


def entry(c, name, node):
    """What that node says of the HostProjection."""
    status = c.api("GET", f"{PROJECTIONS}/{name}").get("status", {})
    for n in status.get("nodes", []):
        if n["name"] == node:
            return n
    return None


def test_a_host_projection(c):
    """In a namespace in which no pod of this node needs anything."""
    with world(c) as a:
        put(c, host_projection("web", ["app"], "web"))
        path = f"{a.host}/default/web"
        wait(lambda: os.path.exists(f"{path}/user"), 20)
        assert read(f"{path}/password") == b"s3cret"
        assert a.es("app")["claims"] == ["host:web"], a.es("app")
        wait(lambda: entry(c, "web", c.name), 20)
        print(f"# {json.dumps(entry(c, 'web', c.name))}")
        # Files alone: nothing of it is in a Secret.
        assert secret(c, "app") is None
        put(c, fake_store({"user": "root", "password": "n3w"}))
        wait(lambda: read(f"{path}/password") == b"n3w", 20)
        c.kubectl("delete", "hostprojection", "web")
        wait(lambda: not os.path.exists(f"{path}/user"), 10)


def test_by_the_labels_of_the_node(c):
    with world(c) as a:
        put(c, host_projection("web", ["app"], "web",
                               nodeSelector={"pool": "blue"}))
        path = f"{a.host}/default/web/user"
        steady(2, lambda: not os.path.exists(path))
        c.kubectl("label", "node", c.name, "pool=blue")
        wait(lambda: os.path.exists(path), 30)
        c.kubectl("label", "node", c.name, "pool-")
        wait(lambda: not os.path.exists(path), 30)


def test_the_path_stays_in_its_namespace(c):
    """The schema refuses what would leave it."""
    with world(c):
        for path in ("/etc/web", "../other/web", "a/../../web"):
            try:
                put(c, host_projection("web", ["app"], path))
            except AssertionError as e:
                assert "spec.path" in str(e), e
                continue
            raise AssertionError(f"{path} was taken")


def test_two_agents_on_one_node(c):
    with world(c) as a:
        out = subprocess.run([NODESEAL, "run", *a.flags], check=False,
                             capture_output=True, text=True, timeout=30)
        assert out.returncode != 0
        print(f"# {out.stderr.splitlines()[-1]}")
        assert "in use by an agent" in out.stderr, out.stderr
        assert a.status()["ready"]


if __name__ == "__main__":
    main(globals())
