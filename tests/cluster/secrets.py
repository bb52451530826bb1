#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The jobs that speak to the API server, with each tier's real token, under the
admission policies: what stores refer to, tokens of accounts, Kubernetes Secrets.
tests/tools/job_client.c is core here."""
import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import store as vault_store  # noqa: E402
import tiers  # noqa: E402
from cluster import IP, decode, main  # noqa: E402
from openbao import OpenBao  # noqa: E402
from scenario import BUILD  # noqa: E402

AGENT = "system:serviceaccount:nodeseal-system:nodeseal"
META = "reconcile.external-secrets.io/"
OWNER = "11111111-2222-3333-4444-555555555555"
OTHER = "66666666-7777-8888-9999-000000000000"


class Job:
    """nodeseal-job with one tier's token."""

    def __init__(self, c, token):
        self.c = c
        self.token = token
        self.dir = tempfile.mkdtemp(prefix="account-")
        for name, text in (("token", token), ("ca.crt", c.ca()),
                           ("namespace", tiers.SYSTEM)):
            with open(f"{self.dir}/{name}", "w", encoding="utf-8") as f:
                f.write(text)

    def __call__(self, what, **request):
        request.setdefault("server", self.c.api_url)
        out = subprocess.run(
            [f"{BUILD}/test/tools/job_client", "--job",
             f"{BUILD}/nodeseal-job", "--account", self.dir, what],
            input=json.dumps(request), capture_output=True, text=True,
            check=False, timeout=120)
        assert out.returncode == 0, out.stderr
        lines = [json.loads(line) for line in out.stdout.splitlines()]
        ends = [line for line in lines if "status" in line]
        assert all(e["status"] == 0 for e in ends), (lines, out.stderr)
        return [line for line in lines if "status" not in line]

    def resolve(self, *wants):
        found = self("resolve", wants=list(wants))
        assert [f["index"] for f in found] == list(range(len(wants))), found
        return found

    def apply(self, *items):
        found = sorted(self("apply", items=list(items)),
                       key=lambda f: f["index"])
        assert [f["index"] for f in found] == list(range(len(items))), found
        return found


@contextlib.contextmanager
def job(c, tier):
    with tiers.tier(c, tier) as thief:
        j = Job(c, thief.token)
        try:
            yield j
        finally:
            shutil.rmtree(j.dir)


def want(kind, name, ns="bound", **more):
    return {"kind": kind, "namespace": ns, "name": name, **more}


def says(found, kind, *words):
    assert found["kind"] == kind, found
    assert "body" not in found, found
    for word in words:
        assert word in found["error"], found


def b64(text):
    return base64.b64encode(text.encode()).decode()


# --- what stores refer to -----------------------------------------------------

def test_resolve_gets_what_the_tier_grants(c):
    with job(c, "store-secrets") as j:
        c.apply({"apiVersion": "v1", "kind": "ConfigMap",
                 "metadata": {"name": "ca", "namespace": "bound"},
                 "data": {"ca.crt": "PEM"}},
                {"apiVersion": "generators.external-secrets.io/v1alpha1",
                 "kind": "Password", "metadata": {"name": "pw",
                                                  "namespace": "free"},
                 "spec": {"length": 12, "digits": 3, "symbols": 0,
                          "noUpper": False, "allowRepeat": True}})
        found = j.resolve(
            want("Secret", "foreign"), want("ConfigMap", "ca"),
            want("Password", "pw", "free"), want("Secret", "nope"),
            want("Secret", "foreign", "free"), want("Pod", "thief"),
            want("Secret", "../../../nodes/node1"),
            want("ServiceAccountToken", "app", audiences=["store"],
                 node="node1", nodeUID="x"))
        assert found[0]["body"]["data"] == {"k": tiers.VALUE}
        assert found[0]["version"] == \
            found[0]["body"]["metadata"]["resourceVersion"]
        assert found[0]["object"] == "Secret/bound/foreign"
        assert found[1]["body"]["data"] == {"ca.crt": "PEM"}
        assert found[2]["body"]["spec"]["length"] == 12
        says(found[3], "not-found", 'secrets "nope" not found')
        assert found[3]["httpStatus"] == 404
        says(found[4], "denied", "may not get secrets in namespace free",
             "tier store-secrets grants it")
        says(found[5], "invalid", "nothing refers to this kind")
        # A name is one step of the path, whatever is in it.
        says(found[6], "invalid", "may not contain '%'")
        says(found[7], "denied", "may not create serviceaccounts/token in "
             "namespace bound", "tier tokens grants it")


def test_resolve_without_a_tier_says_which_one(c):
    with job(c, "files") as j:
        found = j.resolve(want("Secret", "foreign"), want("ConfigMap", "ca"))
        says(found[0], "denied", "may not get secrets in namespace bound: "
             "tier store-secrets grants it")
        says(found[1], "denied", "may not get configmaps")


def token(name="app", ns="bound", audiences=("store",), pod=None, node=None):
    more = {"audiences": list(audiences)}
    if pod:
        more.update(pod=pod["metadata"]["name"], podUID=pod["metadata"]["uid"])
    if node:
        more.update(node=node["metadata"]["name"],
                    nodeUID=node["metadata"]["uid"])
    return want("ServiceAccountToken", name, ns, **more)


def test_tokens_of_accounts(c):
    with job(c, "tokens") as j:
        pod = tiers.agent_pod(c, "app", "app", "bound")
        node = c.api("GET", "/api/v1/nodes/node1")
        c.kubectl("apply", "-n", tiers.SYSTEM, "-f",
                  f"{tiers.DAEMONSET}/bind/tokens.yaml")
        own = decode(j.token)["aud"][0]
        stranger = json.loads(json.dumps(node))
        stranger["metadata"]["name"] = "node2"
        found = j.resolve(
            token(pod=pod), token(node=node, audiences=["a", "b"]),
            token(pod=pod, audiences=[own]),
            token(pod=pod, audiences=["store", own]),
            token(pod=pod, audiences=[]), token(),
            token("nodeseal", tiers.SYSTEM, node=node),
            token(node=stranger), token("nobody", node=node),
            token("default", pod=pod), token("app", "free", node=node))
        claims = decode(found[0]["body"]["token"])
        assert claims["aud"] == ["store"]
        assert claims["kubernetes.io"]["pod"]["uid"] == pod["metadata"]["uid"]
        assert claims["exp"] - claims["iat"] <= 3600, claims
        assert found[0]["object"] == "ServiceAccountToken/bound/app\x1fstore"
        claims = decode(found[1]["body"]["token"])
        assert claims["aud"] == ["a", "b"]
        assert claims["kubernetes.io"]["node"]["name"] == "node1", claims
        assert "pod" not in claims["kubernetes.io"], claims
        for f in found[2:4]:
            says(f, "denied", f"audience {own} is the API server's own")
        says(found[4], "invalid", "names no audience")
        says(found[5], "invalid", "neither a pod")
        says(found[6], "denied", "the agent's own account")
        says(found[7], "denied", "nodeseal: a token is bound")
        says(found[8], "not-found", '"nobody" not found')
        assert found[9]["kind"] != "none" and "body" not in found[9], found[9]
        says(found[10], "denied", "tier tokens grants it")
        # None of those that are refused here was even asked for.
        asked = [e for e in c.audit(AGENT)
                 if e["objectRef"].get("subresource") == "token"
                 and e["stage"] == "ResponseComplete"]
        assert not [e for e in asked if e["objectRef"]["name"] == "nodeseal"]


# --- Kubernetes Secrets -------------------------------------------------------

def item(target, op="Owner", name="app", uid=OWNER, last="", **payload):
    payload.setdefault("data", {"user": "u1", "password": "p1"})
    payload.setdefault("labels", {f"{META}managed": "true"})
    payload.setdefault("annotations", {f"{META}data-hash": "h"})
    return {"op": op, "namespace": "bound", "name": name, "uid": uid,
            "target": target, "lastVersion": last, "payload": payload}


def stored(c, name, ns="bound"):
    status, secret = c.request("GET", f"/api/v1/namespaces/{ns}/secrets/{name}")
    if status == 404:
        return None
    assert status == 200, secret
    return secret


def values(c, name):
    return {k: base64.b64decode(v).decode()
            for k, v in stored(c, name)["data"].items()}


def external_secret(c, name="app"):
    """A real owner: what has none is collected."""
    c.apply({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
             "metadata": {"name": name, "namespace": "bound"},
             "spec": {"secretStoreRef": {"name": "s"},
                      "data": [{"secretKey": "k", "remoteRef": {"key": "k"}}]}})
    return c.api("GET", "/apis/external-secrets.io/v1/namespaces/bound/"
                 f"externalsecrets/{name}")["metadata"]["uid"]


def requests(c, name):
    """Verbs of the agent's requests about one Secret so far."""
    return [e["verb"] for e in c.audit(AGENT)
            if e["stage"] == "ResponseComplete"
            and e["objectRef"].get("resource") == "secrets"
            and e["objectRef"].get("name") == name]


def test_owner(c):
    with job(c, "sync") as j:
        uid = external_secret(c)
        first = j.apply(item("web", uid=uid, type="example.com/login",
                             labels={"a": "1", f"{META}managed": "true"}))[0]
        assert first["outcome"] == "created", first
        assert (first["reason"], first["message"], first["event"]) == (
            "SecretSynced", "secret synced", "secret created")
        assert first["hash"] == "h"
        secret = stored(c, "web")
        meta = secret["metadata"]
        assert secret["type"] == "example.com/login"
        assert values(c, "web") == {"user": "u1", "password": "p1"}
        assert meta["labels"] == {"a": "1", f"{META}managed": "true",
                                  "nodeseal.dev/managed": "true"}
        assert meta["annotations"] == {f"{META}data-hash": "h"}
        assert meta["ownerReferences"] == [{
            "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "name": "app", "uid": uid, "controller": True,
            "blockOwnerDeletion": True}]
        assert {f["manager"] for f in meta["managedFields"]} == {
            "nodeseal/app"}
        assert (first["version"], first["uid"]) == (meta["resourceVersion"],
                                                    meta["uid"])
        assert requests(c, "web") == ["patch"], requests(c, "web")

        # The same again is no write; the answer's version says so.
        same = item("web", uid=uid, type="example.com/login",
                    last=first["version"],
                    labels={"a": "1", f"{META}managed": "true"})
        again = j.apply(same)[0]
        assert again["outcome"] == "unchanged", again
        assert again["version"] == first["version"]
        assert requests(c, "web") == ["patch", "patch"]

        # A hand edit is undone, a key added by hand goes away.
        c.kubectl("patch", "secret", "web", "-n", "bound", "-p", json.dumps(
            {"data": {"password": b64("drift"), "more": b64("m")}}))
        fixed = j.apply(same)[0]
        assert (fixed["outcome"], fixed["event"]) == ("updated",
                                                      "secret updated")
        assert values(c, "web") == {"user": "u1", "password": "p1"}
        assert fixed["version"] == \
            stored(c, "web")["metadata"]["resourceVersion"]

        # A key that the provider has no more, and a label, go away too.
        less = j.apply(item("web", uid=uid, data={"user": "u2"},
                            type="example.com/login"))[0]
        assert less["outcome"] == "updated", less
        assert values(c, "web") == {"user": "u2"}
        assert "a" not in stored(c, "web")["metadata"]["labels"]
        # The type cannot change.
        bad = j.apply(item("web", uid=uid, type="kubernetes.io/tls",
                           data={"tls.crt": "c", "tls.key": "k"}))[0]
        assert bad["outcome"] == "failed" and bad["kind"] == "invalid", bad
        assert bad["message"] == "could not update secret", bad
        assert "field is immutable" in bad["event"], bad
        assert "get" not in requests(c, "web")


def test_whose_it_is(c):
    with job(c, "sync") as j:
        uid = external_secret(c)
        rest = external_secret(c, "rest")
        made = j.apply(item("web", uid=uid), item("foreign", uid=uid),
                       item("eso", uid=uid), item("opened", uid=uid),
                       item("opened-by-annotation", uid=uid),
                       item("token", uid=uid), item("web2", uid=uid,
                                                    op="Orphan"))
        assert [m["outcome"] for m in made] == [
            "created", "failed", "failed", "updated", "updated", "failed",
            "created"], made
        for m in (made[1], made[2]):
            assert m["kind"] == "denied", m
            assert "nodeseal: this Secret is not ours" in m["error"], m
            assert "nodeseal.dev/adopt" in m["event"], m
            assert m["reason"] == "SecretSyncedError"
        assert "key to the cluster" in made[5]["error"], made[5]
        # Adopted: the whole Secret is ours now.
        assert values(c, "opened") == {"user": "u1", "password": "p1"}
        # Another ExternalSecret, and another controller.
        c.apply({"apiVersion": "v1", "kind": "Secret",
                 "metadata": {"name": "of-deployment", "namespace": "bound",
                              "labels": {"nodeseal.dev/adopt": "true"},
                              "ownerReferences": [{
                                  "apiVersion": "v1", "kind": "ConfigMap",
                                  "name": "kube-root-ca.crt",
                                  "uid": c.api("GET", "/api/v1/namespaces/"
                                               "bound/configmaps/kube-root-ca"
                                               ".crt")["metadata"]["uid"],
                                  "controller": True}]}})
        taken = j.apply(item("web", name="rest", uid=rest),
                        item("of-deployment", uid=uid))
        assert taken[0]["message"] == \
            "target is owned by another ExternalSecret", taken[0]
        assert taken[0]["event"] == (
            "unable to mutate secret web: secret is owned by another "
            "ExternalSecret: app"), taken[0]
        assert taken[1]["message"] == \
            "failed to take ownership of target secret", taken[1]
        assert "already owned by another ConfigMap controller " \
            "kube-root-ca.crt" in taken[1]["event"], taken[1]
        assert values(c, "web") == {"user": "u1", "password": "p1"}
        # Orphan takes our reference away again.
        j.apply(item("web", uid=uid, op="Orphan"))
        assert "ownerReferences" not in stored(c, "web")["metadata"]


def test_merge(c):
    with job(c, "sync") as j:
        uid = external_secret(c)
        found = j.apply(item("nowhere", "Merge", uid=uid),
                        item("foreign", "Merge", uid=uid),
                        item("opened", "Merge", uid=uid,
                             annotations={"x": "1"}),
                        item("either", "CreateOrMerge", uid=uid),
                        item("opened-by-annotation", "CreateOrMerge", uid=uid))
        assert [f["outcome"] for f in found] == [
            "missing", "failed", "updated", "created", "updated"], found
        assert (found[0]["reason"], found[0]["message"]) == (
            "SecretMissing",
            "secret will not be created due to CreationPolicy=Merge")
        assert stored(c, "nowhere") is None
        theirs = base64.b64decode(tiers.VALUE).decode()
        both = {"k": theirs, "user": "u1", "password": "p1"}
        assert values(c, "opened") == both
        assert values(c, "opened-by-annotation") == both
        meta = stored(c, "opened")["metadata"]
        assert "ownerReferences" not in meta
        assert meta["labels"]["nodeseal.dev/managed"] == "true"
        assert meta["annotations"] == {"x": "1"}
        # Unchanged is no write; what we wrote and is no more goes away, what
        # is theirs stays.
        again = j.apply(item("opened", "Merge", uid=uid,
                             annotations={"x": "1"},
                             last=found[2]["version"]))[0]
        assert again["outcome"] == "unchanged", again
        less = j.apply(item("opened", "Merge", uid=uid, data={"user": "u2"}))
        assert less[0]["outcome"] == "updated", less
        assert values(c, "opened") == {"k": theirs, "user": "u2"}
        assert "x" not in stored(c, "opened")["metadata"].get(
            "annotations", {})


def test_immutable(c):
    with job(c, "sync") as j:
        uid = external_secret(c)
        made = j.apply(item("frozen", uid=uid, immutable=True))[0]
        assert made["outcome"] == "created", made
        same = j.apply(item("frozen", uid=uid, immutable=True,
                            last=made["version"],
                            labels={f"{META}managed": "true"}))[0]
        assert same["outcome"] == "unchanged", same
        meta = j.apply(item("frozen", uid=uid, immutable=True,
                            annotations={"new": "1"}))[0]
        assert meta["outcome"] == "updated", meta
        other = j.apply(item("frozen", uid=uid, immutable=True,
                             data={"user": "u2"}))[0]
        assert other["outcome"] == "failed", other
        assert other["message"] == \
            "could not update secret, target is immutable", other
        assert other["event"] == \
            "unable to update secret frozen: secret is immutable", other
        assert values(c, "frozen") == {"user": "u1", "password": "p1"}


def test_delete(c):
    with job(c, "sync") as j:
        uid = external_secret(c)
        j.apply(item("web", uid=uid), item("loose", "Orphan", uid=uid))
        found = j.apply(item("web", "Delete", uid=OTHER),
                        item("foreign", "Delete", uid=uid),
                        item("loose", "Delete", uid=uid),
                        item("gone", "Delete", uid=uid))
        assert [f["outcome"] for f in found] == [
            "failed", "failed", "failed", "deleted"], found
        for f in found[:3]:
            assert f["message"] == "could not delete secret", f
        assert "not owned by ExternalSecret app" in found[0]["error"], found
        assert all(stored(c, n) for n in ("web", "foreign", "loose"))
        found = j.apply(item("web", "Delete", uid=uid))[0]
        assert (found["outcome"], found["reason"], found["message"]) == (
            "deleted", "SecretDeleted",
            "secret deleted due to DeletionPolicy=Delete"), found
        assert stored(c, "web") is None


def test_names_and_places(c):
    """Long names, a namespace that is not there or not bound, no policy."""
    with job(c, "sync") as j:
        long = "e" * 200
        uid = external_secret(c, long)
        found = j.apply(item("a", name=long, uid=uid), item("b", uid=uid),
                        dict(item("x", uid=uid), namespace="free"),
                        dict(item("x", uid=uid), namespace="nowhere"))
        assert [f["outcome"] for f in found] == [
            "created", "created", "failed", "failed"], found
        manager = stored(c, "a")["metadata"]["managedFields"][0]["manager"]
        assert manager.startswith("nodeseal/sha3/") and len(manager) <= 128
        assert "may not patch secrets in namespace free: tier sync grants " \
            "it" in found[2]["error"], found[2]
        assert found[3]["kind"] == "denied", found[3]


def test_no_value_comes_back_and_nothing_is_read(c):
    """1 request a Secret, of the kind that writes; metadata alone."""
    with job(c, "sync") as j:
        uid = external_secret(c)
        n = 200
        found = j.apply(*[item(f"many-{i}", uid=uid) for i in range(n)])
        assert {f["outcome"] for f in found} == {"created"}
        events = [e for e in c.audit(AGENT)
                  if e["stage"] == "ResponseComplete" and
                  e["objectRef"].get("name", "").startswith("many-")]
        assert len(events) == n
        assert {e["verb"] for e in events} == {"patch"}
        # One by one it would take a minute.
        c.api("DELETE", "/api/v1/namespaces/bound/secrets")


# --- from the reference to the value ------------------------------------------

def store(kind="SecretStore", name="remote", ns="bound", **provider):
    meta = {"name": name}
    if kind == "SecretStore":
        meta["namespace"] = ns
    return {"apiVersion": "external-secrets.io/v1", "kind": kind,
            "metadata": meta, "spec": {"provider": provider}}


def es(name, ns="bound", kind="SecretStore", ref="remote", **spec):
    return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": ns, "uid": "u"},
            "spec": {"secretStoreRef": {"kind": kind, "name": ref}, **spec}}


def entry(secret_key, key, **more):
    return {"secretKey": secret_key, "remoteRef": {"key": key, **more}}


def fetch(j, wants, *bodies):
    names = [{"namespace": b["metadata"]["namespace"],
              "name": b["metadata"]["name"]} for b in bodies
             if b["kind"] == "ExternalSecret"]
    found = j("fetch", wants=wants, bodies=list(bodies), items=names)
    return {names[f["index"]]["name"]: f for f in found}


def reader(c):
    """An account that may read in namespace `free`, for the store; its token."""
    c.apply({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
             "metadata": {"name": "reader", "namespace": "free"},
             "rules": [{"apiGroups": [""], "resources": ["secrets"],
                        "verbs": ["get", "list"]}]},
            {"apiVersion": "rbac.authorization.k8s.io/v1",
             "kind": "RoleBinding",
             "metadata": {"name": "reader", "namespace": "free"},
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io",
                         "kind": "Role", "name": "reader"},
             "subjects": [{"kind": "ServiceAccount", "name": "app",
                           "namespace": "bound"}]},
            {"apiVersion": "v1", "kind": "Secret",
             "metadata": {"name": "db", "namespace": "free",
                          "labels": {"team": "red"},
                          "annotations": {"note": "n1"}},
             "stringData": {"user": "u", "doc": '{"port": 5432}'}},
            {"apiVersion": "v1", "kind": "Secret",
             "metadata": {"name": "other", "namespace": "free"},
             "stringData": {"x": "y"}})
    return c.token("app", "bound")


def test_provider_kubernetes(c):
    with job(c, "store-secrets") as j:
        c.apply({"apiVersion": "v1", "kind": "Secret",
                 "metadata": {"name": "login", "namespace": "bound"},
                 "stringData": {"token": reader(c), "ca": c.ca(),
                                "bad": "no.such.token"}},
                {"apiVersion": "v1", "kind": "ConfigMap",
                 "metadata": {"name": "tpl", "namespace": "bound"},
                 "data": {"t": "u={{ .user }}"}})
        server = {"url": c.api_url, "caProvider": {
            "type": "Secret", "name": "login", "key": "ca"}}
        ref = {"name": "login", "key": "token"}
        found = fetch(
            j, [want("Secret", "login"), want("ConfigMap", "tpl")],
            store(kubernetes={"server": server, "remoteNamespace": "free",
                              "auth": {"token": {"bearerToken": ref}}}),
            store(name="stranger", kubernetes={
                "server": server, "remoteNamespace": "free",
                "auth": {"token": {"bearerToken": dict(ref, key="bad")}}}),
            store(name="elsewhere", kubernetes={
                "server": server, "remoteNamespace": "default",
                "auth": {"token": {"bearerToken": ref}}}),
            es("get", data=[entry("a", "db", property="user"),
                            entry("port", "db", property="doc.port"),
                            entry("all", "db"),
                            entry("m", "db", metadataPolicy="Fetch",
                                  property="labels.team")]),
            es("map", dataFrom=[{"extract": {"key": "db"}}]),
            es("name", dataFrom=[{"find": {"name": {"regexp": "^d"}}}]),
            es("tags", dataFrom=[{"find": {"tags": {"team": "red"}}}]),
            es("tpl", data=[entry("user", "db", property="user")],
               target={"template": {"templateFrom": [{"configMap": {
                   "name": "tpl", "items": [{"key": "t"}]}}]}}),
            es("missing", data=[entry("a", "nope")]),
            es("property", data=[entry("a", "db", property="nope")]),
            es("no-map", dataFrom=[{"extract": {"key": "nope"}}]),
            es("unknown", ref="stranger", data=[entry("a", "db")]),
            es("not-allowed", ref="elsewhere", data=[entry("a", "db")]))
        assert found["get"]["data"] == {
            "a": "u", "port": "5432", "m": "red",
            "all": '{"doc":"{\\"port\\": 5432}","user":"u"}'}, found["get"]
        assert found["map"]["data"] == {"user": "u", "doc": '{"port": 5432}'}
        both = {"db": '{"doc":"{\\"port\\": 5432}","user":"u"}'}
        assert found["name"]["data"] == both, found["name"]
        assert found["tags"]["data"] == both, found["tags"]
        assert found["tpl"]["data"] == {"t": "u=u"}, found["tpl"]
        assert 'secrets "nope" not found' in found["missing"]["event"]
        assert "property nope does not exist in data of secret" in \
            found["property"]["event"], found["property"]
        assert "Secret does not exist" in found["no-map"]["event"], \
            found["no-map"]
        for name in ("unknown", "not-allowed"):
            assert "is not ready" in found[name]["event"], found[name]


def test_what_could_not_be_got_is_said(c):
    """The tier that is missing stands in the ExternalSecret's own failure."""
    with job(c, "files") as j:
        found = fetch(
            j, [want("Secret", "login"), want("ConfigMap", "tpl"),
                want("Password", "none")],
            store(kubernetes={"server": {"url": c.api_url}, "auth": {
                "token": {"bearerToken": {"name": "login", "key": "k"}}}}),
            store(name="fake", fake={"data": [{"key": "k", "value": "v"}]}),
            es("login", data=[entry("a", "db")]),
            es("tpl", ref="fake", data=[entry("a", "k")],
               target={"template": {"templateFrom": [{"configMap": {
                   "name": "tpl", "items": [{"key": "t"}]}}]}}),
            es("gen", ref="fake", dataFrom=[{"sourceRef": {"generatorRef": {
                "apiVersion": "generators.external-secrets.io/v1alpha1",
                "kind": "Password", "name": "none"}}}]))
        assert "may not get configmaps in namespace bound: tier " \
            "store-secrets grants it" in found["tpl"]["event"], found["tpl"]
        assert 'passwords.generators.external-secrets.io "none" not found' \
            in found["gen"]["event"], found["gen"]
        assert "may not get secrets in namespace bound" in \
            found["login"]["error"] + found["login"]["event"], found["login"]


def test_vault_logs_in_with_an_account(c):
    """TokenRequest by the resolve job, login by the fetch job."""
    with job(c, "tokens") as j, OpenBao(address=IP) as bao:
        vault_store.trust(c, bao)
        bao.put("shop/db", {"password": "from-openbao"})
        c.kubectl("apply", "-n", "shop", "-f",
                  f"{tiers.DAEMONSET}/bind/tokens.yaml")
        node = c.api("GET", "/api/v1/nodes/node1")

        def vault(audiences):
            return {"server": bao.url, "path": "secret", "auth": {
                "kubernetes": {"mountPath": "kubernetes", "role": "shop",
                               "serviceAccountRef": {
                                   "name": "web", "audiences": audiences}}}}
        found = fetch(
            j, [token("web", "shop", ["openbao"], node=node),
                token("web", "shop", ["wrong"], node=node),
                token("web", "shop", [], node=node)],
            store(ns="shop", vault=vault(["openbao"])),
            store(name="wrong", ns="shop", vault=vault(["wrong"])),
            store(name="none", ns="shop", vault=vault([])),
            es("db", ns="shop", data=[entry("p", "shop/db",
                                            property="password")]),
            es("wrong", ns="shop", ref="wrong", data=[entry("p", "shop/db")]),
            es("none", ns="shop", ref="none", data=[entry("p", "shop/db")]))
        assert found["db"]["data"] == {"p": "from-openbao"}, found["db"]
        assert "data" not in found["wrong"], found["wrong"]
        assert "names no audience" in found["none"]["error"] + \
            found["none"]["event"], found["none"]


if __name__ == "__main__":
    main(globals())
