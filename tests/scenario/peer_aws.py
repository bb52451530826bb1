#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Amazon's stores by moto's server, with the vendor's SDK as a second client on
the same data: both must agree.  And the SDK against our look-alike, which is
worth something only when the SDK takes it for real."""
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from aws import data, es, failure, keys, store, values  # noqa: E402
from openbao import PEERS, free_port  # noqa: E402
from scenario import ROOT, main  # noqa: E402
from stores import FakeAws  # noqa: E402

MOTO = os.path.join(PEERS, "moto", "bin")
CLIENT = os.path.join(ROOT, "tests/tools/moto/client.py")


def sdk(url, *calls):
    p = subprocess.run([os.path.join(MOTO, "python"), CLIENT, url],
                       input=json.dumps(calls), capture_output=True,
                       text=True, timeout=60, check=False)
    assert p.returncode == 0, p.stderr
    return json.loads(p.stdout)


class Moto:
    """As FakeAws, for what takes an env()."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def env(self):
        return {f"AWS_{s}_ENDPOINT": self.url
                for s in ("SECRETSMANAGER", "SSM", "STS")}

    def __enter__(self):
        self.process = subprocess.Popen(
            [os.path.join(MOTO, "moto_server"), "-H", "127.0.0.1", "-p",
             str(self.port)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with contextlib.suppress(OSError, socket.timeout):
                urllib.request.urlopen(self.url + "/moto-api/", timeout=5)
                return self
            time.sleep(0.1)
        raise AssertionError("moto's server does not start")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def fill(url):
    sm, ssm = "secretsmanager", "ssm"
    answers = sdk(
        url,
        (sm, "create_secret", {"Name": "app/db", "SecretString": json.dumps(
            {"user": "bob", "a.b": "dotted", "pass": "p\u00e4ss\"\\"}),
            "Tags": [{"Key": "team", "Value": "x"}]}),
        (sm, "create_secret", {"Name": "app/raw",
                               "SecretBinaryHex": "000102ff"}),
        (sm, "create_secret", {"Name": "app/old", "SecretString": "one"}),
        (sm, "put_secret_value", {"SecretId": "app/old",
                                  "SecretString": "two"}),
        (ssm, "put_parameter", {"Name": "/app/v", "Value": "one",
                                "Type": "SecureString"}),
        (ssm, "put_parameter", {"Name": "/app/v", "Value": "two",
                                "Type": "SecureString", "Overwrite": True}),
        (ssm, "put_parameter", {"Name": "/app/w", "Value": "w",
                                "Type": "String",
                                "Tags": [{"Key": "t", "Value": "1"}]}))
    assert not [a for a in answers if "error" in a], answers
    return answers


def test_secrets_manager_agrees():
    with Moto() as aws:
        arn = fill(aws.url)[0]["ARN"]
        theirs = sdk(aws.url, *[
            ("secretsmanager", "get_secret_value", a) for a in (
                {"SecretId": "app/db"}, {"SecretId": "app/raw"},
                {"SecretId": "app/old", "VersionStage": "AWSPREVIOUS"})])
        got = values(aws, keys(), store(), es(data=data(
            db="app/db", by_arn=arn, raw="app/raw",
            old={"key": "app/old", "version": "AWSPREVIOUS"},
            user={"key": "app/db", "property": "user"},
            dotted={"key": "app/db", "property": "a.b"},
            tags={"key": "app/db", "metadataPolicy": "Fetch"})))
        assert got["db"].decode() == theirs[0]["SecretString"], got
        assert got["by_arn"] == got["db"], got
        assert got["raw"].hex() == theirs[1]["SecretBinary"] == "000102ff"
        assert got["old"].decode() == theirs[2]["SecretString"] == "one"
        assert (got["user"], got["dotted"]) == (b"bob", b"dotted"), got
        assert got["tags"] == b'{"team":"x"}', got


def test_secrets_manager_find_agrees():
    with Moto() as aws:
        fill(aws.url)
        rewrite = [{"regexp": {"source": "/", "target": "_"}}]
        got = values(aws, keys(), store(), es(dataFrom=[
            {"find": {"name": {"regexp": "^app/"}}, "rewrite": rewrite}]))
        assert sorted(got) == ["app_db", "app_old", "app_raw"], got
        got = values(aws, keys(), store(), es(dataFrom=[
            {"find": {"tags": {"team": "x"}}, "rewrite": rewrite}]))
        assert sorted(got) == ["app_db"], got
        said = failure(aws, keys(), store(), es(data=data(v="nope"),
                                                target={}))
        assert "Secret does not exist" in said, said


def test_parameter_store_agrees():
    with Moto() as aws:
        fill(aws.url)
        ps = store("ParameterStore")
        theirs = sdk(aws.url, ("ssm", "get_parameter", {
            "Name": "/app/v:1", "WithDecryption": True}))
        got = values(aws, keys(), ps, es(data=data(
            last="/app/v", first={"key": "/app/v", "version": "1"},
            tags={"key": "/app/w", "metadataPolicy": "Fetch"})))
        assert got == {"last": b"two", "first": b"one",
                       "tags": b'{"t":"1"}'}, got
        assert theirs[0]["Parameter"]["Value"] == "one", theirs
        rewrite = [{"regexp": {"source": "/", "target": "_"}}]
        got = values(aws, keys(), ps, es(dataFrom=[
            {"find": {"path": "/app", "name": {"regexp": "."}},
             "rewrite": rewrite}]))
        assert got == {"_app_v": b"two", "_app_w": b"w"}, got


def test_roles_agree():
    with Moto() as aws:
        fill(aws.url)
        role = "arn:aws:iam::123456789012:role/reader"
        got = values(aws, keys(), store(role=role, externalID="e"), es(
            data=data(v="app/old")))
        assert got == {"v": b"two"}, got


def test_the_sdk_takes_the_fake_for_real():
    with FakeAws() as aws:
        for i in range(4):
            aws.secret(f"s{i}", string=f"v{i}", tags={"t": str(i)})
            aws.parameter(f"/p/{i}", f"w{i}")
        sm, ssm = "secretsmanager", "ssm"
        a = sdk(aws.url,
                (sm, "get_secret_value", {"SecretId": "s1"}),
                (sm, "batch_get_secret_value",
                 {"SecretIdList": ["s0", "nope"]}),
                (sm, "list_secrets", {}),
                (sm, "describe_secret", {"SecretId": "s2"}),
                (ssm, "get_parameter", {"Name": "/p/1"}),
                (ssm, "get_parameters", {"Names": ["/p/0", "/q"]}),
                (ssm, "get_parameters_by_path", {"Path": "/p"}),
                (ssm, "describe_parameters", {}),
                (sm, "get_secret_value", {"SecretId": "nope"}),
                (ssm, "get_parameter", {"Name": "/nope"}))
        assert a[0]["SecretString"] == "v1", a
        assert a[1]["SecretValues"][0]["SecretString"] == "v0", a
        assert a[1]["Errors"][0]["ErrorCode"] == "ResourceNotFoundException"
        assert len(a[2]["SecretList"]) == 3 and a[2]["NextToken"], a
        assert a[3]["Tags"] == [{"Key": "t", "Value": "2"}], a
        assert a[4]["Parameter"]["Value"] == "w1", a
        assert a[5]["InvalidParameters"] == ["/q"], a
        assert len(a[6]["Parameters"]) == 3 and len(a[7]["Parameters"]) == 3
        assert [x["error"] for x in a[8:]] == ["ResourceNotFoundException",
                                              "ParameterNotFound"], a


if __name__ == "__main__":
    main(globals())
