#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A real OpenBao: every way to read from it, and every way to log in."""
import base64
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (NODESEAL, Agent, documents, external_secret,  # noqa: E402
                      host_projection, main, read, wait)
from openbao import TOKEN, OpenBao  # noqa: E402
from stores import certificates  # noqa: E402


def store(url, auth, name="store", provider="vault", **more):
    return json.dumps({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"provider": {provider: {
            "server": url, "path": "secret", "auth": auth, **more}}}})


def secret(name, **data):
    return json.dumps({"apiVersion": "v1", "kind": "Secret",
                       "metadata": {"name": name, "namespace": "default"},
                       "stringData": data})


TOKEN_AUTH = {"tokenSecretRef": {"name": "login", "key": "token"}}


def render(*objects):
    """data of every produced Secret by name, and what stderr said."""
    out = subprocess.run([NODESEAL, "render", "-f", "-", "-o", "json"],
                         input=documents(*objects), text=True,
                         capture_output=True, check=False)
    items = json.loads(out.stdout)["items"] if out.stdout else []
    return {s["metadata"]["name"]: {
        k: base64.b64decode(v) for k, v in s.get("data", {}).items()}
        for s in items}, out.stderr


def one(*objects):
    produced, errors = render(*objects)
    assert not errors, errors
    return produced["app"]


def test_reads():
    with OpenBao() as bao:
        bao.put("a/db", {"user": "u", "n": 1.50, "nested": {"x.y": [1, "z"]},
                         "a.b": "dotted"})
        bao.put("a/db2", {"user": "u2"})
        bao.put("one", {"user": "kv1"}, mount="kv1")
        login = secret("login", token=TOKEN)
        s = store(bao.url, TOKEN_AUTH)
        got = one(s, login, external_secret("app", {
            "user": ("a/db", "user"), "deep": ("a/db", "nested.x\\.y.1"),
            "dotted": ("a/db", "a.b"), "whole": "a/db2"}))
        assert got["user"] == b"u" and got["deep"] == b"z", got
        assert got["dotted"] == b"dotted", got
        assert json.loads(got["whole"]) == {"user": "u2"}, got
        got = one(s, login, external_secret(
            "app", {}, dataFrom=[{"extract": {"key": "a/db"}}]))
        assert got["user"] == b"u" and got["n"] == b"1.5", got
        assert json.loads(got["nested"]) == {"x.y": [1, "z"]}, got
        got = one(s, login, external_secret(
            "app", {}, dataFrom=[{"find": {"name": {"regexp": "^a/db.*"}}}]))
        assert set(got) == {"a_db", "a_db2"}, got
        got = one(s, login, external_secret(
            "app", {}, dataFrom=[{"find": {"path": "a", "name": {
                "regexp": "db2$"}}}]))
        assert len(got) == 1, got
        bao.tag("a/db", team="blue")
        got = one(s, login, external_secret(
            "app", {}, dataFrom=[{"find": {"tags": {"team": "blue"}}}]))
        assert set(got) == {"a_db"}, got
        got = one(store(bao.url, TOKEN_AUTH, path="kv1", version="v1"), login,
                  external_secret("app", {"k": ("one", "user")}))
        assert got == {"k": b"kv1"}, got
        got = one(s, login, json.dumps({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": "app", "namespace": "default"},
            "spec": {"secretStoreRef": {"name": "store"}, "data": [
                {"secretKey": "team", "remoteRef": {
                    "key": "a/db", "property": "team",
                    "metadataPolicy": "Fetch"}}]}}))
        assert got == {"team": b"blue"}, got
        bao.put("a/db2", {"user": "second"})
        got = one(s, login, json.dumps({
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": "app", "namespace": "default"},
            "spec": {"secretStoreRef": {"name": "store"}, "data": [
                {"secretKey": v, "remoteRef": {
                    "key": "a/db2", "property": "user", "version": v}}
                for v in ("1", "2")]}}))
        assert got == {"1": b"u2", "2": b"second"}, got


def test_errors():
    with OpenBao() as bao:
        bao.put("a", {"user": "u"})
        login = secret("login", token=TOKEN)
        s = store(bao.url, TOKEN_AUTH)
        for data, word in (({"k": "nothing"}, "Secret does not exist"),
                           ({"k": ("a", "nope")}, "nope")):
            _, errors = render(s, login, external_secret("app", data))
            assert "default/app: SecretSyncedError: " in errors, errors
            assert word in errors, errors
        _, errors = render(s, secret("login", token="wrong"),
                           external_secret("app", {"k": "a"}))
        # As ESO: the store does not validate, so it is not ready.
        assert 'SecretStore "store" is not ready' in errors, errors
        assert "wrong" not in errors, errors


def test_logins():
    with OpenBao() as bao:
        bao.put("a", {"user": "u"})
        role, secret_id = bao.approle()
        for kind in ("userpass",):
            bao.call("POST", f"sys/auth/{kind}", {"type": kind})
        bao.call("POST", "auth/userpass/users/bob",
                 {"password": "pw", "token_policies": ["all"]})
        login = secret("login", token=TOKEN, id=secret_id, pw="pw", role=role)
        ref = {"name": "login"}
        es = external_secret("app", {"k": ("a", "user")})
        for auth in (
                {"appRole": {"path": "approle", "roleId": role,
                             "secretRef": {**ref, "key": "id"}}},
                {"appRole": {"path": "approle", "roleRef":
                             {**ref, "key": "role"},
                             "secretRef": {**ref, "key": "id"}}},
                {"userPass": {"path": "userpass", "username": "bob",
                              "secretRef": {**ref, "key": "pw"}}}):
            for provider in ("vault", "openBao"):
                before = bao.counts()
                got = one(store(bao.url, auth, provider=provider), login, es)
                assert got == {"k": b"u"}, (auth, got)
                after = bao.counts()
                # OpenBao counts the look-up of the mount, which needs no
                # token, as a login.
                extra = provider == "openBao"
                assert after[1] - before[1] == 1 + extra, (before, after)
                # One read, at most one look-up and one revocation.
                assert 1 <= after[0] - before[0] <= 3, (before, after)


def test_tls_and_client_certificates():
    with certificates() as folder, OpenBao(tls=folder) as bao:
        bao.put("a", {"user": "u"})
        login = secret("login", token=TOKEN)
        es = external_secret("app", {"k": ("a", "user")})
        ca = base64.b64encode(read(f"{folder}/ca.pem")).decode()
        got = one(store(bao.url, TOKEN_AUTH, caBundle=ca), login, es)
        assert got == {"k": b"u"}, got
        cm = json.dumps({"apiVersion": "v1", "kind": "ConfigMap",
                         "metadata": {"name": "ca", "namespace": "default"},
                         "data": {"ca.pem": read(
                             f"{folder}/ca.pem").decode()}})
        got = one(store(bao.url, TOKEN_AUTH, caProvider={
            "type": "ConfigMap", "name": "ca", "key": "ca.pem"}), cm, login,
            es)
        assert got == {"k": b"u"}, got
        other = base64.b64encode(read(f"{folder}/other-ca.pem")).decode()
        _, errors = render(store(bao.url, TOKEN_AUTH, caBundle=other), login,
                           es)
        assert "default/app: SecretSyncedError" in errors, errors


def test_agent_follows_a_rotation_and_an_outage():
    with OpenBao() as bao, Agent() as a:
        role, secret_id = bao.approle()
        bao.put("a", {"user": "first"})
        a.manifest("a.yaml", documents(
            store(bao.url, {"appRole": {
                "path": "approle", "roleId": role,
                "secretRef": {"name": "login", "key": "id"}}}),
            secret("login", id=secret_id),
            external_secret("app", {"user": ("a", "user")}, interval="1s"),
            host_projection("web", ["app"], "web")))
        a.ready()
        path = a.publish("app")
        host = os.path.join(a.host, "web")
        assert read(f"{path}/user") == b"first"
        wait(lambda: os.path.exists(f"{host}/user"))
        bao.put("a", {"user": "second"})
        wait(lambda: read(f"{path}/user") == b"second", 5)
        wait(lambda: read(f"{host}/user") == b"second", 5)
        bao.stop()
        wait(lambda: a.es("app")["error"], 10)
        assert read(f"{path}/user") == b"second"
        other = a.publish("app", pod="pod2")
        assert read(f"{other}/user") == b"second"
        bao.start()
        bao.unseal()
        bao.put("a", {"user": "third"})
        wait(lambda: read(f"{path}/user") == b"third", 30)
        wait(lambda: not a.es("app")["error"], 10)


if __name__ == "__main__":
    main(globals())
