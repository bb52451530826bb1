#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""OpenBao trusts the cluster: its Kubernetes auth method asks the API server
about real tokens, and the agent logs in with one."""
import json
import os
import sys
import urllib.error

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from cluster import IP, ISSUER, decode, main  # noqa: E402
from openbao import OpenBao  # noqa: E402
from scenario import (Agent, documents, external_secret,  # noqa: E402
                      host_projection, read, wait)


def login(bao, token, role="shop"):
    return bao.call("POST", "auth/kubernetes/login",
                    {"role": role, "jwt": token}, token="")["auth"]


def trust(c, bao):
    """Kubernetes auth against this API server, a role for shop/web."""
    c.namespace("shop")
    c.apply({"apiVersion": "v1", "kind": "ServiceAccount",
             "metadata": {"name": "reviewer", "namespace": "shop"}},
            {"apiVersion": "rbac.authorization.k8s.io/v1",
             "kind": "ClusterRoleBinding", "metadata": {"name": "reviewer"},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io",
                         "kind": "ClusterRole",
                         "name": "system:auth-delegator"},
             "subjects": [{"kind": "ServiceAccount", "name": "reviewer",
                           "namespace": "shop"}]},
            {"apiVersion": "v1", "kind": "ServiceAccount",
             "metadata": {"name": "web", "namespace": "shop"}})
    bao.kubernetes_auth(c.api_url, c.ca(), c.token("reviewer", "shop"))
    bao.call("PUT", "sys/policies/acl/shop", {
        "policy": 'path "secret/data/shop/*" { capabilities = ["read"] }'})
    bao.call("POST", "auth/kubernetes/role/shop", {
        "bound_service_account_names": "web", "token_policies": "shop",
        "bound_service_account_namespaces": "shop", "audience": "openbao"})


def test_a_real_token_logs_in_and_no_other(c):
    with OpenBao(address=IP) as bao:
        trust(c, bao)
        token = c.token("web", "shop", ["openbao"])
        claims = decode(token)
        assert claims["iss"] == ISSUER and claims["aud"] == ["openbao"]
        auth = login(bao, token)
        assert auth["metadata"]["service_account_name"] == "web", auth
        assert "shop" in auth["policies"], auth
        c.namespace("other")
        for wrong in (c.token("default", "shop", ["openbao"]),
                      c.token("default", "other", ["openbao"]),
                      c.token("web", "shop"),
                      token[:-4] + ("AAAA" if token[-4:] != "AAAA" else
                                    "BBBB")):
            try:
                login(bao, wrong)
                raise AssertionError(f"logged in: {decode(wrong)}")
            except urllib.error.HTTPError as e:
                assert e.code in (400, 403), e.code
        reviews = [e for e in c.audit("system:serviceaccount:shop:reviewer")
                   if e["objectRef"]["resource"] == "tokenreviews"]
        # One for each login that got so far.
        assert 1 <= len(reviews) <= 5, reviews


def test_the_agent_logs_in_with_a_real_token(c):
    with OpenBao(address=IP) as bao, Agent() as agent:
        trust(c, bao)
        bao.put("shop/db", {"password": "from-openbao"})
        token = c.token("web", "shop", ["openbao"])
        agent.manifest("shop.yaml", documents(
            json.dumps({
                "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
                "metadata": {"name": "bao", "namespace": "shop"},
                "spec": {"provider": {"vault": {
                    "server": bao.url, "path": "secret", "auth": {
                        "kubernetes": {
                            "mountPath": "kubernetes", "role": "shop",
                            "secretRef": {"name": "token", "key": "jwt"}}}}}}}),
            json.dumps({"apiVersion": "v1", "kind": "Secret",
                        "metadata": {"name": "token", "namespace": "shop"},
                        "stringData": {"jwt": token}}),
            external_secret("db", {"password": ("shop/db", "password")},
                            store="bao", ns="shop"),
            host_projection("db", ["db"], "db", ns="shop")))
        path = f"{agent.host}/db/password"
        wait(lambda: os.path.exists(path), 20)
        assert read(path) == b"from-openbao"


if __name__ == "__main__":
    main(globals())
