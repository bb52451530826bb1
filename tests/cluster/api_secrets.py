#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The main job on a real API server: pods name Secrets that ExternalSecrets
make; status, events, drift, deletion."""
import base64
import contextlib
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from api_agent import (ApiAgent, external, install, is_ready,  # noqa: E402
                       pods, put, ready, secret, steady, user)
from cluster import main  # noqa: E402
from scenario import external_secret, fake_store, wait  # noqa: E402

KEYS = {"user": "admin", "password": "s3cret"}


def data(c, name):
    return {k: base64.b64decode(v).decode()
            for k, v in (secret(c, name) or {}).get("data", {}).items()}


@contextlib.contextmanager
def agent(c, *tiers):
    install(c, *tiers)
    put(c, fake_store(KEYS), external_secret("app", {k: k for k in KEYS}),
        external_secret("unused", {"user": "user"}))
    with ApiAgent(c) as a:
        a.ready(20)
        try:
            yield a
        finally:
            c.kubectl("delete", "externalsecrets,secretstores,pods", "--all",
                      "--grace-period=1")
            c.kubectl("delete", "secrets", "--all")


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


if __name__ == "__main__":
    main(globals())
