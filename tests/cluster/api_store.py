#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real store and a real API server: what a store refers to, by each tier;
tokens of service accounts; the store away."""
import contextlib
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from api_agent import (ApiAgent, install, is_ready, pods,  # noqa: E402
                       put, ready, secret, unbind, user)
from api_secrets import data  # noqa: E402
from cluster import IP, main  # noqa: E402
from openbao import TOKEN, OpenBao  # noqa: E402
from scenario import external_secret, wait  # noqa: E402

LOGIN = {"tokenSecretRef": {"name": "login", "key": "token"}}
ACCOUNT = {"kubernetes": {"mountPath": "kubernetes", "role": "shop",
                          "serviceAccountRef": {"name": "web",
                                                "audiences": ["openbao"]}}}


def store(bao, auth):
    return json.dumps({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": "store", "namespace": "default"},
        "spec": {"provider": {"vault": {"server": bao.url, "path": "secret",
                                        "auth": auth}}}})


def login(token):
    return json.dumps({"apiVersion": "v1", "kind": "Secret",
                       "metadata": {"name": "login", "namespace": "default"},
                       "stringData": {"token": token}})


@contextlib.contextmanager
def world(c, *tiers, interval="1h", auth=None):
    """OpenBao, an agent, an ExternalSecret app of secret/app."""
    install(c, *tiers)
    with OpenBao(address=IP) as bao:
        bao.put("app", {"password": "one"})
        put(c, login(TOKEN), store(bao, auth or LOGIN), external_secret(
            "app", {"password": ("app", "password")}, interval=interval))
        with ApiAgent(c) as a:
            a.ready(20)
            try:
                yield bao, a
            finally:
                c.kubectl("delete", "externalsecrets,secretstores,pods",
                          "--all", "--grace-period=1")
                c.kubectl("delete", "secrets", "--all")
                unbind(c, *tiers)


def test_a_login_from_a_secret(c):
    """And a new one takes effect at once."""
    with world(c, "sync", "store-secrets") as (bao, a), \
            pods(c, user(c, "web", ["app"])):
        assert data(c, "app") == {"password": "one"}
        bao.put("app", {"password": "two"})
        put(c, login("wrong"))
        wait(lambda: (a.es("app") or {}).get("error"), 20)
        assert "403" in a.es("app")["error"], a.es("app")
        assert data(c, "app") == {"password": "one"}
        begin = time.monotonic()
        put(c, login(TOKEN))
        wait(lambda: data(c, "app") == {"password": "two"}, 20)
        print(f"# after {time.monotonic() - begin:.1f} s")


def test_a_login_that_may_not_be_read(c):
    """The tier that is missing is named, on this side of the store."""
    with world(c, "sync") as (_, a):
        c.apply({**user(c, "web"), "spec": {
            **user(c, "web")["spec"], "volumes": [
                {"name": "app", "secret": {"secretName": "app"}}]}})
        wait(lambda: (a.es("app") or {}).get("error"), 20)
        error = a.es("app")["error"]
        print(f"# {error}")
        assert "store-secrets" in error and "login" in error, error
        # It is granted: the next attempt, a few seconds later, succeeds.
        install(c, "store-secrets")
        wait(lambda: data(c, "app") == {"password": "one"}, 60)
        unbind(c, "store-secrets")


def trust(c, bao):
    c.apply({"apiVersion": "v1", "kind": "ServiceAccount",
             "metadata": {"name": "reviewer", "namespace": "default"}},
            {"apiVersion": "rbac.authorization.k8s.io/v1",
             "kind": "ClusterRoleBinding", "metadata": {"name": "reviewer"},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io",
                         "kind": "ClusterRole",
                         "name": "system:auth-delegator"},
             "subjects": [{"kind": "ServiceAccount", "name": "reviewer",
                           "namespace": "default"}]},
            {"apiVersion": "v1", "kind": "ServiceAccount",
             "metadata": {"name": "web", "namespace": "default"}})
    bao.kubernetes_auth(c.api_url, c.ca(), c.token("reviewer"))
    bao.call("PUT", "sys/policies/acl/shop", {
        "policy": 'path "secret/data/*" { capabilities = ["read"] }'})
    bao.call("POST", "auth/kubernetes/role/shop", {
        "bound_service_account_names": "web", "token_policies": "shop",
        "bound_service_account_namespaces": "default",
        "audience": "openbao"})


def token_requests(c):
    return [e for e in c.audit() if
            e["user"]["username"].endswith(":nodeseal") and
            e.get("objectRef", {}).get("subresource") == "token"]


def test_a_token_of_the_pods_own_account(c):
    with world(c, "sync", "tokens", auth=ACCOUNT) as (bao, a):
        trust(c, bao)
        with pods(c, user(c, "web", ["app"], serviceAccountName="web")):
            assert data(c, "app") == {"password": "one"}
            wait(lambda: is_ready(c, "app"), 10)
            assert token_requests(c), "no TokenRequest was audited"
        assert a.status()["stores"][0]["ready"], a.status()["stores"]


def test_a_token_bound_to_the_node(c):
    """No pod of that account runs here."""
    with world(c, "sync", "tokens", auth=ACCOUNT) as (bao, _):
        trust(c, bao)
        with pods(c, user(c, "other", ["app"])):
            assert data(c, "app") == {"password": "one"}


def test_the_store_is_away(c):
    with world(c, "sync", "drift", "store-secrets", interval="2s") as \
            (bao, a), pods(c, user(c, "web", ["app"])):
        wait(lambda: is_ready(c, "app"), 10)
        bao.stop()
        wait(lambda: a.es("app")["source"] == "memory", 20)
        # Nobody else is due: the object is not at fault for a while yet.
        assert ready(c, "app")["status"] == "True"
        c.kubectl("delete", "secret", "app")
        wait(lambda: data(c, "app") == {"password": "one"}, 20)
        assert c.exec("web", "cat", "/mnt/app/password") == "one"
        assert a.status()["ready"]
        bao.start()
        bao.unseal()
        bao.put("app", {"password": "two"})
        wait(lambda: data(c, "app") == {"password": "two"}, 90)
        wait(lambda: a.es("app")["source"] == "live", 20)
        assert secret(c, "app")


if __name__ == "__main__":
    main(globals())
