#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Amazon's Secrets Manager and Parameter Store, by a look-alike that verifies
every signature and goes wrong on demand."""
import base64
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (BUILD, Agent, documents, external_secret,  # noqa: E402
                      host_projection, main, read, wait)
from stores import FakeAws  # noqa: E402

ROLE = "arn:aws:iam::123456789012:role/"


def keys(key="AKIDEXAMPLE", secret="wJalr/secret"):
    return {"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "aws", "namespace": "default"},
            "stringData": {"id": key, "secret": secret}}


def store(service="SecretsManager", **more):
    ref = {"accessKeyIDSecretRef": {"name": "aws", "key": "id"},
           "secretAccessKeySecretRef": {"name": "aws", "key": "secret"}}
    retry = more.pop("retrySettings", {"retryInterval": "10ms"})
    return {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "store", "namespace": "default"},
            "spec": {"retrySettings": retry, "provider": {"aws": {
                "service": service, "region": "us-east-1",
                "auth": {"secretRef": ref}, **more}}}}


def es(name="app", **spec):
    return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"secretStoreRef": {"name": "store"}, **spec}}


def data(**refs):
    """secretKey -> remoteRef, or its key."""
    return [{"secretKey": k,
             "remoteRef": {"key": r} if isinstance(r, str) else r}
            for k, r in refs.items()]


def render(aws, *objects, env=None):
    """One report for each ExternalSecret, values as text."""
    text = "\n---\n".join(json.dumps(o) for o in objects)
    p = subprocess.run(
        [os.path.join(BUILD, "nodeseal"), "render", "-f", "-", "-o",
         "report"], input=text, capture_output=True, text=True, timeout=60,
        env={**os.environ, **aws.env(), **(env or {})}, check=False)
    reports = [json.loads(line) for line in p.stdout.splitlines()]
    assert reports, p.stderr
    return reports


def values(aws, *objects):
    r = render(aws, *objects)[0]
    assert r["outcome"] == "ready", r
    return {k: base64.b64decode(v) for k, v in r["secret"]["data"].items()}


def failure(aws, *objects):
    r = render(aws, *objects)[0]
    assert r["outcome"] == "failed", r
    return r["error"] or r["ready"]["message"]


# --- what is read ------------------------------------------------------------

def test_secrets_manager_reads():
    with FakeAws() as aws:
        aws.secret("app/db", string=json.dumps(
            {"user": "bob", "a.b": "dotted", "n": 1.50, "deep": {"x": [7]}}),
            tags={"team": "<a>", "env": "prod"})
        aws.secret("app/raw", binary="AAEC/w==")
        aws.secret("app/old", string="one", version="id-1")
        aws.secret("app/old", string="two", version="id-2")
        got = values(aws, keys(), store(), es(data=data(
            whole="app/raw", user={"key": "app/db", "property": "user"},
            dotted={"key": "app/db", "property": "a.b"},
            number={"key": "app/db", "property": "n"},
            deep={"key": "app/db", "property": "deep.x.0"},
            before={"key": "app/old", "version": "AWSPREVIOUS"},
            by_id={"key": "app/old", "version": "uuid/id-1"},
            tags={"key": "app/db", "metadataPolicy": "Fetch"},
            team={"key": "app/db", "metadataPolicy": "Fetch",
                  "property": "team"})))
        assert got == {
            "whole": b"\0\1\2\xff", "user": b"bob", "dotted": b"dotted",
            "number": b"1.5", "deep": b"7", "before": b"one",
            "by_id": b"one", "team": b"<a>",
            "tags": rb'{"env":"prod","team":"\u003ca\u003e"}'}, got
        counts = aws.counts()
        assert counts == {"secretsmanager.GetSecretValue": 4,
                          "secretsmanager.DescribeSecret": 1}, counts


def test_secrets_manager_extract_and_prefix():
    with FakeAws() as aws:
        aws.secret("team/db", string='{"a": "x", "n": 1.0, "o": {"k": [1]}, '
                   '"z": null}')
        got = values(aws, keys(), store(prefix="team/"), es(
            dataFrom=[{"extract": {"key": "db"}}]))
        assert got == {"a": b"x", "n": b"1.0", "o": b'{"k": [1]}',
                       "z": b""}, got
        aws.secret("team/text", string="no json")
        said = failure(aws, keys(), store(prefix="team/"), es(
            dataFrom=[{"extract": {"key": "text"}}]))
        assert "unable to unmarshal secret text: invalid character" in said


def test_secrets_manager_find():
    with FakeAws() as aws:
        for i in range(8):
            aws.secret(f"app/{i}", string=f"v{i}",
                       tags={"half": str(i % 2), "app": "yes"})
        aws.secret("other", string="no")
        find = {"name": {"regexp": "^app/[0-6]$"}}
        rewrite = [{"regexp": {"source": "app/", "target": "k"}}]
        got = values(aws, keys(), store(), es(dataFrom=[
            {"find": find, "rewrite": rewrite}]))
        assert got == {f"k{i}": b"v%d" % i for i in range(7)}, got
        counts = aws.counts()
        assert counts["secretsmanager.ListSecrets"] == 3, counts
        assert counts["secretsmanager.GetSecretValue"] == 7, counts
        got = values(aws, keys(), store(), es(dataFrom=[
            {"find": {"path": "app/", **find}, "rewrite": rewrite}]))
        assert len(got) == 7
        got = values(aws, keys(), store(), es(dataFrom=[
            {"find": {"tags": {"half": "1", "app": "yes"}},
             "rewrite": rewrite}]))
        assert sorted(got) == ["k1", "k3", "k5", "k7"], got
        counts = aws.counts()
        assert counts["secretsmanager.BatchGetSecretValue"] == 5, counts
        assert counts["secretsmanager.GetSecretValue"] == 7, counts


def test_parameter_store():
    with FakeAws() as aws:
        aws.parameter("/app/db", '{"user":"bob","a.b":"d"}',
                      tags={"team": "x"})
        aws.parameter("/app/v", "one")
        aws.parameter("/app/v", "two")
        aws.parameter("/other", "no", tags={"team": "x"})
        ps = store("ParameterStore")
        got = values(aws, keys(), ps, es(data=data(
            user={"key": "/app/db", "property": "user"},
            dotted={"key": "/app/db", "property": "a.b"},
            first={"key": "/app/v", "version": "1"}, last="/app/v",
            tags={"key": "/app/db", "metadataPolicy": "Fetch"})))
        assert got == {"user": b"bob", "dotted": b"d", "first": b"one",
                       "last": b"two", "tags": b'{"team":"x"}'}, got
        rewrite = [{"regexp": {"source": "/", "target": "_"}}]
        got = values(aws, keys(), ps, es(dataFrom=[
            {"find": {"path": "/app", "name": {"regexp": "."}},
             "rewrite": rewrite}]))
        assert sorted(got) == ["_app_db", "_app_v"], got
        got = values(aws, keys(), ps, es(dataFrom=[
            {"find": {"tags": {"team": "x"}}, "rewrite": rewrite}]))
        assert sorted(got) == ["_app_db", "_other"], got
        aws.fault("denied", operation="GetParametersByPath")
        got = values(aws, keys(), ps, es(dataFrom=[
            {"find": {"path": "/app", "name": {"regexp": "v"}},
             "rewrite": rewrite}]))
        assert got == {"_app_v": b"two"}, got


# --- who asks ----------------------------------------------------------------

def test_roles():
    with FakeAws() as aws:
        aws.secret("k", string="v")
        for name in ("first", "last"):
            aws.control("role", arn=ROLE + name)
        aws.control("role", arn=ROLE + "tagged", external_id="ext")
        one = es(data=data(v="k"))
        assert values(aws, keys(), store(
            additionalRoles=[ROLE + "first"], role=ROLE + "last"), one) == {
                "v": b"v"}
        assert values(aws, keys(), store(
            role=ROLE + "tagged", externalID="ext",
            sessionTagsPolicy="Custom", customSessionTags={"team": "a b"},
            transitiveTagKeys=["team"]), one) == {"v": b"v"}
        form = aws.control("roles")[ROLE + "tagged"]["forms"][0]
        tags = {form[f"Tags.member.{i}.Key"]: form[f"Tags.member.{i}.Value"]
                for i in range(1, 5)}
        assert tags == {"team": "a b", "esoNamespace": "default",
                        "esoStoreName": "store",
                        "esoStoreKind": "SecretStore"}, form
        assert form["TransitiveTagKeys.member.1"] == "team", form
        # One login for each role, one read, whatever comes of it.
        r = render(aws, keys(), store(role=ROLE + "none"), one)[0]
        assert '"store" is not ready' in r["error"], r


def test_wrong_keys():
    with FakeAws() as aws:
        aws.secret("k", string="v")
        said = failure(aws, keys(secret="wrong"), store(),
                       es(data=data(v="k")))
        assert "InvalidSignatureException" in said, said
        said = failure(aws, keys(key="AKIDOTHER"), store(),
                       es(data=data(v="k")))
        assert "UnrecognizedClientException" in said, said


def test_no_identity_of_the_node():
    env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
           "AWS_SECRET_ACCESS_KEY": "wJalr/secret"}
    with FakeAws() as aws:
        aws.secret("k", string="v")
        own = store()
        del own["spec"]["provider"]["aws"]["auth"]
        r = render(aws, own, es(data=data(v="k")), env=env)[0]
        assert r["outcome"] == "failed", r
        assert aws.counts() == {}, aws.counts()


# --- faults ------------------------------------------------------------------

def test_not_there():
    with FakeAws() as aws:
        for service in ("SecretsManager", "ParameterStore"):
            r = render(aws, keys(), store(service), es(
                data=data(v="nope"), target={"deletionPolicy": "Delete"}))[0]
            assert r["outcome"] != "failed", r


def test_throttled():
    with FakeAws() as aws:
        aws.secret("k", string="v")
        aws.fault("throttle", times=2)
        assert values(aws, keys(), store(), es(data=data(v="k"))) == {
            "v": b"v"}
        assert aws.counts()["secretsmanager.GetSecretValue"] == 3
        aws.fault("throttle")
        said = failure(aws, keys(), store(), es(data=data(v="k")))
        assert "exceeded maximum number of attempts, 3, " in said, said
        assert "ThrottlingException: Rate exceeded" in said, said


def test_clock():
    with FakeAws() as aws:
        aws.secret("k", string="v")
        for skew in (3600, -86400):
            aws.control("clock", skew_s=skew)
            assert values(aws, keys(), store(), es(data=data(v="k"))) == {
                "v": b"v"}


def test_answers_that_are_none():
    with FakeAws() as aws:
        for kind in ("garbage", "empty", "truncated"):
            aws.fault(kind)
            said = failure(aws, keys(), store(), es(data=data(v="k")))
            assert "SecretStr" not in said, said
        aws.fault("endless")
        for i in range(4):
            aws.secret(f"k{i}", string="v")
        said = failure(aws, keys(), store(), es(dataFrom=[
            {"find": {"name": {"regexp": "."}}}]))
        assert "the same page again and again" in said, said


def test_expired_in_the_middle():
    with FakeAws() as aws:
        aws.secret("a", string="1")
        aws.secret("b", string="2")
        aws.fault("expired", operation="GetSecretValue", times=1)
        got = render(aws, keys(), store(), es("one", data=data(v="a")),
                     es("two", data=data(v="b")))
        assert [r["outcome"] for r in got] == ["failed", "ready"], got
        assert "ExpiredTokenException" in got[0]["error"], got


# --- many at once ------------------------------------------------------------

def test_batches():
    with FakeAws() as aws, Agent(csi=False, env=aws.env()) as agent:
        names = [f"app/{i}" for i in range(45)]
        for n in names[:-1]:
            aws.secret(n, string=f"value of {n}")
        items = [external_secret(f"es{i}", {"v": (n, None)})
                 for i, n in enumerate(names)]
        agent.manifest("a.yaml", documents(
            json.dumps(keys()), json.dumps(store()), *items,
            *[host_projection(f"p{i}", [f"es{i}"], f"p{i}")
              for i in range(45)]))
        for i in range(44):
            path = os.path.join(agent.host, f"p{i}", "v")
            wait(lambda p=path: os.path.exists(p), 20)
            assert read(path) == b"value of app/%d" % i
        wait(lambda: agent.es("es44")["error"])
        counts = aws.counts()
        assert counts["secretsmanager.BatchGetSecretValue"] <= 4, counts
        assert counts.get("secretsmanager.GetSecretValue", 0) == 0, counts


if __name__ == "__main__":
    main(globals())
