#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The jobs that meet the API server, and those that must not, against an API
server that misbehaves.  tests/tools/job_client.c is core here;
tests/cluster/secrets.py has the same jobs against a real one."""
import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../lib"), os.path.join(HERE, "../fake")]
import apiserver as kube  # noqa: E402
from scenario import BUILD, main  # noqa: E402

ACCOUNT_FD, KUBECONFIG_FD = 20, 21
SECRETS = "/api/v1/namespaces/shop/secrets"
TOKENS = "/api/v1/namespaces/shop/serviceaccounts/app/token"


@contextlib.contextmanager
def world(name="127.0.0.1"):
    folder = tempfile.mkdtemp(prefix="kube-")
    os.chmod(folder, 0o755)
    try:
        with kube.Kube(folder, name) as k:
            yield k
    finally:
        shutil.rmtree(folder)


def client(*flags, what, request=None):
    """All lines, and how the jobs ended."""
    out = subprocess.run(
        [f"{BUILD}/test/tools/job_client", "--job", f"{BUILD}/nodeseal-job",
         *flags, what], input=json.dumps(request or {}), capture_output=True,
        text=True, check=False, timeout=120)
    assert out.returncode == 0, out.stderr
    lines = [json.loads(line) for line in out.stdout.splitlines()]
    return ([line for line in lines if "status" not in line],
            [line["status"] for line in lines if "status" in line],
            out.stderr)


def job(k, what, account=None, **request):
    found, ends, text = client("--account", account or k.account(), what=what,
                               request={"server": k.url, **request})
    assert ends and set(ends) == {0}, (found, text)
    return sorted(found, key=lambda f: f["index"])


def want(name, kind="Secret", ns="shop", **more):
    return {"kind": kind, "namespace": ns, "name": name, **more}


def token(name="app", ns="shop", audiences=("store",), **more):
    return want(name, "ServiceAccountToken", ns, audiences=list(audiences),
                **(more or {"node": "n1", "nodeUID": "u-n1"}))


def item(target, op="Owner", last="", name="app", **payload):
    payload.setdefault("data", {"user": "u1"})
    return {"op": op, "namespace": "shop", "name": name, "uid": "u-es",
            "target": target, "lastVersion": last, "payload": payload}


def meta(name, version="8", owner=None, fields=()):
    return {"kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": {"name": name, "namespace": "shop", "uid": f"u-{name}",
                         "resourceVersion": version,
                         "ownerReferences": [{
                             "kind": "ExternalSecret", "uid": owner,
                             "controller": True}] if owner else [],
                         "managedFields": list(fields)}}


# --- who may be what ----------------------------------------------------------

def test_no_provider_job_has_the_agents_account(_=None):
    """What meets foreign bytes holds no descriptor of the account."""
    with world() as k:
        path = f"{k.folder}/kubeconfig"
        with open(path, "w", encoding="utf-8") as f:
            f.write("{}")
        for flags, fd in ((("--account", k.account()), ACCOUNT_FD),
                          (("--kubeconfig", path), KUBECONFIG_FD)):
            found = {f["job"]: f["fds"]
                     for f in client(*flags, what="fds")[0]}
            # A child that asks has it until it has read its request.
            assert fd in found["resolve"] and fd in found["apply"], found
            kept = [j for j in ("read", "fetch") if fd in found[j]]
            assert kept == [], found


def test_tokens_that_nobody_gets(_=None):
    with world() as k:
        k.answers["POST", TOKENS] = (201, {"status": {"token": "t0k"}})
        own = "/api/v1/namespaces/nodeseal-system/serviceaccounts/nodeseal/" \
            "token"
        k.answers["POST", own] = (201, {"status": {"token": "mine"}})
        api = "https://kubernetes.default.svc"
        found = job(k, "resolve", wants=[
            token(), token("nodeseal", "nodeseal-system"),
            token(audiences=[api]), token(audiences=["store", api]),
            token(audiences=[]), token(pod="p", node="")])
        assert found[0]["body"]["token"] == "t0k", found[0]
        sent = json.loads(k.asked(TOKENS)[0][3])["spec"]
        assert sent == {
            "audiences": ["store"], "expirationSeconds": 600,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Node",
                               "name": "n1", "uid": "u-n1"}}, sent
        assert k.asked(own) == [], "its own account"
        assert len(k.asked(TOKENS)) == 1, "the API server's audience"
        assert [f["kind"] for f in found[1:]] == [
            "denied", "denied", "denied", "invalid", "invalid"], found
        k.answers["POST", TOKENS] = kube.status(
            400, 'cannot bind token to a Node object as the "Service'
            'AccountTokenNodeBinding" feature-gate is disabled')
        found = job(k, "resolve", wants=[token()])
        assert "older than Kubernetes 1.33" in found[0]["error"], found


# --- an API server that misbehaves --------------------------------------------

def test_resolve_faults(_=None):
    with world() as k:
        ok = kube.secret("ok", password="p")
        k.answers.update({
            ("GET", f"{SECRETS}/ok"): (200, ok),
            ("GET", f"{SECRETS}/again"): [
                kube.status(503, "etcd is away"),
                (200, kube.secret("again"))],
            ("GET", f"{SECRETS}/slow"): [
                kube.status(429, "slow down") + ({"Retry-After": "1"},),
                (200, kube.secret("slow"))],
            ("GET", f"{SECRETS}/broken"): kube.status(500, "oh no"),
            ("GET", f"{SECRETS}/other"): (200, ok),
            ("GET", f"{SECRETS}/text"): b"HTTP/1.1 200 OK\r\n"
            b"Content-Length: 5\r\n\r\nhello",
            ("GET", f"{SECRETS}/unknown"): kube.status(401, "Unauthorized"),
            ("GET", f"{SECRETS}/large"): (200, dict(
                ok, metadata=dict(ok["metadata"], name="large", annotations={
                    "a": "x" * (1 << 20)}), data={"k": "eHh4" * (1 << 18)})),
        })
        found = job(k, "resolve", wants=[want(n) for n in (
            "ok", "again", "slow", "broken", "other", "text", "unknown",
            "large", "none")])
        kinds = [f["kind"] for f in found]
        assert kinds[:3] == ["none"] * 3, found
        assert kinds[3:7] == ["transient", "invalid", "invalid",
                              "denied"], kinds
        assert kinds[7:] == ["limit", "not-found"], kinds
        assert base64.b64decode(found[0]["body"]["data"]["password"]) == b"p"
        assert "another object" in found[4]["error"], found[4]
        for f in found:
            assert "hello" not in f["error"], f
        # One connection, the account's token in each request.
        for r in k.requests:
            assert r[2]["Authorization"] == f"Bearer {kube.own_token()}"


def test_a_server_that_is_away_costs_one_wait(_=None):
    with world() as k:
        account, url = k.account(), k.url
    start = time.monotonic()
    # The folder is gone with the server.
    os.makedirs(account)
    try:
        for name, text in (("token", kube.own_token()), ("ca.crt", CA),
                           ("namespace", "x")):
            with open(f"{account}/{name}", "w", encoding="utf-8") as f:
                f.write(text)
        for what, more in (
                ("resolve", {"wants": [want(f"s{i}") for i in range(200)]}),
                ("apply", {"items": [item(f"s{i}") for i in range(200)]})):
            found, ends, text = client("--account", account, what=what,
                                       request={"server": url, **more})
            assert ends == [0], text
            assert {f["kind"] for f in found} == {"transient"}, found[0]
            assert len(found) == 200
    finally:
        shutil.rmtree(os.path.dirname(account))
    assert time.monotonic() - start < 20


def test_another_server_is_not_told_who_we_are(_=None):
    """A certificate that the account's CA did not sign: no token is sent."""
    with world() as k, world() as stranger:
        found, _, _ = client("--account", stranger.account(), what="resolve",
                             request={"server": k.url, "wants": [want("s")]})
        assert found[0]["kind"] == "denied", found
        assert "certificate" in found[0]["error"], found
        assert k.requests == []


def test_kubeconfig(_=None):
    """A name for the certificate, a token; what cannot be is said."""
    with world("api.example") as k:
        k.answers["GET", f"{SECRETS}/ok"] = (200, kube.secret("ok"))

        def config(**user):
            path = f"{k.folder}/kubeconfig"
            with open(path, "w", encoding="utf-8") as f:
                json.dump({
                    "current-context": "c",
                    "contexts": [{"name": "c", "context": {
                        "cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": {
                        "server": k.url, "tls-server-name": "api.example",
                        "certificate-authority-data": base64.b64encode(
                            k.ca().encode()).decode()}}],
                    "users": [{"name": "u", "user": user}]}, f)
            return client("--kubeconfig", path, what="resolve",
                          request={"wants": [want("ok")]})
        found, ends, text = config(token="abc")
        assert ends == [0] and found[0]["kind"] == "none", (found, text)
        assert k.requests[0][2]["Authorization"] == "Bearer abc"
        found, ends, text = config(exec={"command": "aws"})
        assert ends == [256] and "user.exec: is not supported" in text, text


# --- writing ------------------------------------------------------------------

def test_apply_asks_for_metadata_alone(_=None):
    with world() as k:
        k.answers["PATCH", f"{SECRETS}/web"] = (201, meta("web"))
        found = job(k, "apply", items=[item(
            "web", labels={"a": "1", "nodeseal.dev/managed": "false"})])
        assert found[0]["outcome"] == "created", found
        (_, path, headers, body), = k.requests
        assert path == (f"{SECRETS}/web?fieldValidation=Ignore&fieldManager="
                        "nodeseal%2Fapp&force=true"), path
        assert headers["Accept"] == ("application/json;as=PartialObject"
                                     "Metadata;g=meta.k8s.io;v=v1"), headers
        assert headers["Content-Type"] == "application/apply-patch+yaml"
        sent = json.loads(body)
        assert sent["metadata"]["labels"] == {
            "a": "1", "nodeseal.dev/managed": "true"}, sent
        assert sent["data"] == {"user": base64.b64encode(b"u1").decode()}
        assert "type" not in sent and "immutable" not in sent


def test_apply_takes_foreign_keys_away(_=None):
    fields = [
        {"manager": "nodeseal/app", "operation": "Apply",
         "fieldsV1": {"f:data": {"f:user": {}}}},
        {"manager": "nodeseal/app", "operation": "Update",
         "fieldsV1": {"f:data": {"f:old": {}, ".": {}}}},
        {"manager": "kubectl-edit", "operation": "Update",
         "fieldsV1": {"f:data": {"f:more": {}, "f:user": {}},
                      "f:metadata": {"f:labels": {"f:theirs": {}}}}}]
    with world() as k:
        path = f"{SECRETS}/web"
        k.answers["PATCH", path] = [(200, meta("web", "8", fields=fields)),
                                    (200, meta("web", "9"))]
        found = job(k, "apply", items=[item("web", last="8")])
        assert found[0]["outcome"] == "updated", found
        assert found[0]["version"] == "9"
        assert json.loads(k.asked(path)[1][3]) == {
            "data": {"old": None, "more": None}}
        # Merge minds its own alone.
        k.requests.clear()
        k.answers["PATCH", path] = [(200, meta("web", "8", fields=fields)),
                                    (200, meta("web", "9"))]
        job(k, "apply", items=[item("web", "Merge")])
        assert json.loads(k.asked(path)[1][3]) == {"data": {"old": None}}
        # CreateOrMerge leaves everything.
        k.requests.clear()
        k.answers["PATCH", path] = (200, meta("web", "8", fields=fields))
        found = job(k, "apply", items=[item("web", "CreateOrMerge",
                                            last="8")])
        assert found[0]["outcome"] == "unchanged", found
        assert len(k.asked(path)) == 1


def test_apply_faults(_=None):
    with world() as k:
        def at(name, *answers):
            k.answers["PATCH", f"{SECRETS}/{name}"] = list(answers)
        at("busy", kube.status(429, "later") + ({"Retry-After": "30"},))
        at("away", kube.status(503, "etcd"))
        at("again", kube.status(500, "hm"), (201, meta("again")))
        at("text", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        at("ns", kube.status(404, 'namespaces "shop" not found',
                             details={"kind": "namespaces", "name": "shop"}))
        at("wrong", kube.status(422, 'Secret "wrong" is invalid: data[a b]: '
                                'Invalid value: "a b": …'))
        at("cut", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{\"meta")
        found = job(k, "apply", items=[item(n) for n in (
            "busy", "away", "again", "text", "ns", "wrong", "gone")])
        out = [(f["outcome"], f["kind"]) for f in found]
        assert out == [("failed", "transient"), ("failed", "transient"),
                       ("created", "none"), ("failed", "invalid"),
                       ("failed", "not-found"), ("failed", "invalid"),
                       ("failed", "not-found")], found
        assert found[0]["retryAfterMs"] == 30000, found[0]
        for f in found:
            if f["outcome"] == "failed":
                assert f["message"] == "could not update secret", f
        found = job(k, "apply", items=[item("cut")])
        assert found[0]["kind"] == "transient", found


def test_delete_takes_what_is_ours_alone(_=None):
    with world() as k:
        for name, owner in (("mine", "u-es"), ("theirs", "u-other")):
            k.answers["PATCH", f"{SECRETS}/{name}"] = (
                200, meta(name, owner=owner))
            k.answers["DELETE", f"{SECRETS}/{name}"] = (
                200, {"kind": "Status", "status": "Success"})
        found = job(k, "apply", items=[item("mine", "Delete"),
                                       item("theirs", "Delete")])
        deleted = [r for r in k.requests if r[0] == "DELETE"]
        assert [r[1] for r in deleted] == [f"{SECRETS}/mine"], deleted
        assert json.loads(deleted[0][3])["preconditions"] == {
            "uid": "u-mine", "resourceVersion": "8"}
        assert [f["outcome"] for f in found] == ["deleted", "failed"], found
        assert json.loads(k.asked(f"{SECRETS}/mine")[0][3]) == {}


CA = """-----BEGIN CERTIFICATE-----
-----END CERTIFICATE-----
"""


def make_ca():
    """Any certificate will do where nobody answers."""
    global CA  # pylint: disable=global-statement
    with world() as k:
        CA = k.ca()


if __name__ == "__main__":
    if os.environ.get("NODESEAL_ISOLATED") == "1":
        make_ca()
    main(globals())
