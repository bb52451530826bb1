#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job on a real API server: pods name Secrets that ExternalSecrets
make; status, events, drift, deletion, policies."""
import base64
import contextlib
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from api_agent import (ApiAgent, external, install, is_ready,  # noqa: E402
                       pods, put, ready, secret, steady, unbind, user)
from cluster import main  # noqa: E402
from scenario import external_secret, fake_store, wait  # noqa: E402

KEYS = {"user": "admin", "password": "s3cret"}
APP = {k: k for k in KEYS}


def data(c, name):
    return {k: base64.b64decode(v).decode()
            for k, v in ((secret(c, name) or {}).get("data") or {}).items()}


def version(c, name):
    return secret(c, name)["metadata"]["resourceVersion"]


@contextlib.contextmanager
def agent(c, *tiers):
    install(c, *tiers)
    put(c, fake_store(KEYS), external_secret("app", APP),
        external_secret("unused", {"user": "user"}))
    with ApiAgent(c) as a:
        a.ready(20)
        try:
            yield a
        finally:
            c.kubectl("delete", "externalsecrets,secretstores,pods", "--all",
                      "--grace-period=1")
            c.kubectl("delete", "secrets", "--all")
            unbind(c, *tiers)


def writes(c, verbs=("patch", "create", "update", "delete")):
    """What the agent has asked about Secrets."""
    return [e for e in c.audit() if e["verb"] in verbs and
            e["user"]["username"].endswith(":nodeseal") and
            e.get("objectRef", {}).get("resource") == "secrets"]


def test_pods_get_their_secrets(c):
    with agent(c, "sync", "drift") as a:
        begin = time.monotonic()
        with pods(c, user(c, "web", ["app"], env="app")):
            print(f"# running after {time.monotonic() - begin:.1f} s")
            assert c.exec("web", "cat", "/mnt/app/password") == "s3cret"
            assert "user=admin" in c.exec("web", "env")
            wait(lambda: is_ready(c, "app"), 10)
            status = external(c, "app")["status"]
            assert status["binding"] == {"name": "app"}, status
            assert status["refreshTime"] and status["syncedResourceVersion"]
            made = secret(c, "app")
            assert made["metadata"]["labels"]["nodeseal.dev/managed"] == \
                "true", made["metadata"]
            (owner,) = made["metadata"]["ownerReferences"]
            assert owner["kind"] == "ExternalSecret" and owner["controller"]
            # What nobody here uses is not fetched.
            assert "status" not in external(c, "unused"), external(c, "unused")
            assert secret(c, "unused") is None
            es = a.es("app")
            assert es["claims"] == ["secret:web"], es
            assert a.status()["mode"] == "cluster"
            assert a.http("/readyz")[0] == 200
            wait(lambda: ("Created", "secret created") in c.events("app"), 10)
            # One write, and no read with values.
            assert [e["verb"] for e in writes(c)] == ["patch"], writes(c)
            assert not writes(c, ("get",))


def test_a_change_in_the_store_reaches_the_secret(c):
    with agent(c, "sync"), pods(c, user(c, "web", ["app"])):
        put(c, fake_store({"user": "root", "password": "n3w"}))
        begin = time.monotonic()
        wait(lambda: data(c, "app") == {"user": "root", "password": "n3w"}, 20)
        print(f"# after {time.monotonic() - begin:.1f} s")
        put(c, external_secret("app", {"user": "user"}))
        wait(lambda: data(c, "app") == {"user": "root"}, 20)


def test_what_is_unchanged_is_not_written(c):
    with agent(c, "sync") as a, pods(c, user(c, "web", ["app"])):
        put(c, external_secret("app", APP, interval="1s"))
        wait(lambda: is_ready(c, "app"), 10)
        time.sleep(1)
        before, at = version(c, "app"), external(c, "app")["status"]
        wait(lambda: external(c, "app")["status"]["refreshTime"] >
             at["refreshTime"], 10)
        time.sleep(3)
        assert version(c, "app") == before
        assert a.es("app")["ready"]


def test_drift_is_put_right(c):
    """At once with tier drift; a deleted Secret comes back."""
    with agent(c, "sync", "drift"), pods(c, user(c, "web", ["app"])):
        wait(lambda: is_ready(c, "app"), 10)
        c.kubectl("patch", "secret", "app", "--type=merge", "-p",
                  '{"data":{"password":"aGFja2Vk"}}')
        begin = time.monotonic()
        wait(lambda: data(c, "app") == KEYS, 20)
        print(f"# edit undone after {time.monotonic() - begin:.1f} s")
        c.kubectl("delete", "secret", "app")
        begin = time.monotonic()
        wait(lambda: data(c, "app") == KEYS, 20)
        print(f"# deletion undone after {time.monotonic() - begin:.1f} s")


def test_drift_without_the_tier_waits_for_the_refresh(c):
    with agent(c, "sync"), pods(c, user(c, "web", ["app"])):
        put(c, external_secret("app", APP, interval="4s"))
        wait(lambda: is_ready(c, "app"), 10)
        c.kubectl("patch", "secret", "app", "--type=merge", "-p",
                  '{"data":{"password":"aGFja2Vk"}}')
        wait(lambda: data(c, "app") == KEYS, 20)


def test_policies(c):
    with agent(c, "sync"):
        put(c, external_secret("orphan", APP, target={
                "creationPolicy": "Orphan"}),
            external_secret("merge", APP, target={"creationPolicy": "Merge"}),
            external_secret("none", APP, target={"creationPolicy": "None"}))
        c.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {
            "name": "merge", "namespace": "default",
            "labels": {"nodeseal.dev/adopt": "true"}},
            "stringData": {"theirs": "stays"}})
        p = user(c, "web", ["orphan", "merge"])
        p["spec"]["volumes"].append({"name": "none", "secret": {
            "secretName": "none", "optional": True}})
        with pods(c, p):
            assert "ownerReferences" not in secret(c, "orphan")["metadata"]
            wait(lambda: data(c, "merge") == {"theirs": "stays", **KEYS}, 10)
            wait(lambda: is_ready(c, "merge"), 10)
            assert secret(c, "none") is None


def test_a_foreign_secret_is_left_alone(c):
    with agent(c, "sync"):
        c.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {
            "name": "app", "namespace": "default"},
            "stringData": {"theirs": "stays"}})
        with pods(c, user(c, "web", ["app"])):
            wait(lambda: (ready(c, "app") or {}).get("status") == "False", 20)
            print(f"# {ready(c, 'app')}")
            steady(3, lambda: data(c, "app") == {"theirs": "stays"})


def test_without_a_tier(c):
    """No permission on Secrets: the condition names it, files are served."""
    with agent(c) as a:
        p = user(c, "web", claim="app")
        p["spec"]["volumes"].append({"name": "app", "secret": {
            "secretName": "app", "optional": True}})
        with pods(c, p):
            assert c.exec("web", "cat", "/mnt/ours/password") == "s3cret"
            wait(lambda: (ready(c, "app") or {}).get("status") == "False", 20)
            error = a.es("app")["error"]
            print(f"# {error}")
            assert "secrets" in error and "sync" in error, error
            assert secret(c, "app") is None


def test_files_alone_make_no_secret(c):
    with agent(c, "sync") as a, pods(c, user(c, "web", claim="app")):
        assert c.exec("web", "cat", "/mnt/ours/user") == "admin"
        wait(lambda: is_ready(c, "app"), 10)
        assert secret(c, "app") is None
        assert a.es("app")["claims"][0].startswith("csi:web/"), a.es("app")


def test_the_external_secret_goes(c):
    with agent(c, "sync") as a, pods(c, user(c, "web", ["app"])):
        c.kubectl("delete", "externalsecret", "app")
        wait(lambda: a.es("app") is None, 10)
        # Owned: the API server's own collector takes it.
        wait(lambda: secret(c, "app") is None, 30)
        put(c, external_secret("app", APP))
        wait(lambda: data(c, "app") == KEYS, 20)


if __name__ == "__main__":
    main(globals())
