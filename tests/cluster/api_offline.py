#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Without the API server: what runs goes on; an agent that starts serves what
it has sealed, to new pods too; when it is back, what is true there holds."""
import contextlib
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from api_agent import (ApiAgent, install, is_ready, pods,  # noqa: E402
                       put, steady, unbind, user)
from api_secrets import APP, KEYS, data  # noqa: E402
from cluster import main  # noqa: E402
from scenario import external_secret, fake_store, read, wait  # noqa: E402


@contextlib.contextmanager
def world(c):
    install(c, "sync", "drift")
    put(c, fake_store(KEYS), external_secret("app", APP))
    with ApiAgent(c) as a:
        a.ready(20)
        try:
            yield a
        finally:
            c.kubectl("delete", "externalsecrets,secretstores,pods", "--all",
                      "--grace-period=1")
            c.kubectl("delete", "secrets", "--all")
            unbind(c, "sync", "drift")


@contextlib.contextmanager
def away(c):
    c.kill("kube-apiserver")
    try:
        yield
    finally:
        c.run("kube-apiserver")
        wait(lambda: c.probe("/readyz"), 60, 0.1)


def test_the_api_server_is_restarted(c):
    with world(c) as a, pods(c, user(c, "web", ["app"], claim="app")):
        with away(c):
            wait(lambda: any("API server" in d
                             for d in a.status()["degraded"]), 30)
            assert a.status()["ready"] and a.http("/livez")[0] == 200
            path = a.publish("app", pod="late")
            assert read(f"{path}/password") == b"s3cret"
            a.unpublish(pod="late")
        put(c, fake_store({"user": "root", "password": "n3w"}))
        wait(lambda: data(c, "app").get("password") == "n3w", 60)
        wait(lambda: c.exec("web", "cat", "/mnt/ours/password") == "n3w", 30)


def test_an_agent_that_starts_without_it(c):
    with world(c) as a, pods(c, user(c, "web", ["app"], claim="app")):
        wait(lambda: a.status()["cache"]["generation"], 10)
        wait(lambda: is_ready(c, "app"), 10)
        a.stop()
        with away(c):
            a.start()
            a.ready(30)
            es = wait(lambda: a.es("app"), 10)
            assert es["source"] == "sealed", es
            # The volume of before is served on, a new pod mounts.
            assert [v["pod"] for v in a.status()["volumes"]] == ["web"]
            path = a.publish("app", pod="late")
            assert read(f"{path}/user") == b"admin"
            out = a.publish("nobody", pod="none", check=False,
                            extra=("--timeout", "3"))
            assert out.returncode != 0
            a.unpublish(pod="late")
            assert any("API server" in d for d in a.status()["degraded"])
        wait(lambda: "secret:web" in a.es("app")["claims"], 60)
        put(c, fake_store({"user": "root", "password": "n3w"}))
        wait(lambda: data(c, "app").get("password") == "n3w", 60)
        # What has gone meanwhile is gone.
        assert a.es("app")["source"] == "live"


def test_link_is_started_again(c):
    with world(c) as a, pods(c, user(c, "web", ["app"])):
        wait(lambda: is_ready(c, "app"), 10)
        for name in ("link", "core"):
            pid = a.child(name)
            os.kill(pid, 9)
            wait(lambda n=name, p=pid: a.child(n) not in (None, p), 15)
            a.ready(30)
            wait(lambda: (a.es("app") or {}).get("claims") == ["secret:web"],
                 30)
        put(c, fake_store({"user": "root", "password": "n3w"}))
        wait(lambda: data(c, "app").get("password") == "n3w", 30)
        steady(2, lambda: a.status()["ready"])


if __name__ == "__main__":
    main(globals())
