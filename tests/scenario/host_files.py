#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A folder of manifests in, files in a host directory out."""
import os
import stat
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (Agent, documents, external_secret, fake_store,  # noqa: E402
                      host_projection, main, read, wait)


def simple(agent, value="s3cret"):
    agent.manifest("a.yaml", documents(
        fake_store({"db": value}),
        external_secret("app", {"password": "db"}),
        host_projection("web", ["app"], "web/tls", mode="0640", uid=7, gid=8)))


def path_of(agent, *parts):
    return os.path.join(agent.host, "web/tls", *parts)


def test_files_appear_whole():
    with Agent(csi=False) as a:
        simple(a)
        wait(lambda: os.path.exists(path_of(a, "password")))
        assert read(path_of(a, "password")) == b"s3cret"
        st = os.stat(path_of(a, "password"))
        assert stat.S_IMODE(st.st_mode) == 0o640, oct(st.st_mode)
        assert (st.st_uid, st.st_gid) == (7, 8)
        assert os.readlink(path_of(a, "password")) == "..data/password"
        assert os.readlink(path_of(a, "..data")).startswith("..2")
        e = a.es("app")
        assert e["ready"] is True and e["reason"] == "SecretSynced", e
        assert e["message"] == "secret synced" and e["source"] == "live", e
        assert e["claims"] == ["host:web"] and e["keys"] == 1, e


def test_files_without_a_secret():
    """creationPolicy says what ESO does with the Secret; files come anyway."""
    with Agent() as a:
        a.manifest("a.yaml", documents(
            fake_store({"db": "s3cret"}),
            external_secret("none", {"password": "db"},
                            target={"creationPolicy": "None"}),
            external_secret("merge", {"password": "db"}, target={
                "creationPolicy": "Merge", "deletionPolicy": "Retain",
                "template": {"data": {"url": "x:{{ .password }}"}}}),
            host_projection("web", ["none", {
                "name": "merge", "items": [{"key": "url", "path": "url"}]}],
                "web/tls")))
        wait(lambda: os.path.exists(path_of(a, "password")))
        assert read(path_of(a, "password")) == b"s3cret"
        assert read(path_of(a, "url")) == b"x:s3cret"
        path = a.publish("none")
        assert read(os.path.join(path, "password")) == b"s3cret"
        e = a.es("merge")
        assert e["ready"] and e["reason"] == "SecretMissing", e
        assert e["keys"] == 1, e
        a.manifest("a.yaml", documents(
            fake_store({"db": "n3w"}), external_secret(
                "none", {"password": "db"},
                target={"creationPolicy": "None"})))
        wait(lambda: read(os.path.join(path, "password")) == b"n3w")


def test_change_of_a_store_is_seen():
    with Agent(csi=False) as a:
        simple(a)
        wait(lambda: os.path.exists(path_of(a, "password")))
        simple(a, "n3w")
        wait(lambda: read(path_of(a, "password")) == b"n3w")


def test_deleted_projection_takes_its_files():
    with Agent(csi=False) as a:
        simple(a)
        wait(lambda: os.path.exists(path_of(a, "password")))
        a.remove("a.yaml")
        wait(lambda: not os.path.exists(path_of(a, "password")), 5)


def test_broken_file_keeps_its_last_good_objects():
    with Agent(csi=False) as a:
        simple(a)
        wait(lambda: os.path.exists(path_of(a, "password")))
        a.manifest("a.yaml", "kind: [broken\n")
        wait(lambda: a.status()["files"], 5)
        assert read(path_of(a, "password")) == b"s3cret"
        simple(a, "again")
        wait(lambda: read(path_of(a, "password")) == b"again")
        wait(lambda: not a.status()["files"], 5)


def test_nothing_claimed_is_not_fetched():
    with Agent(csi=False) as a:
        a.manifest("a.yaml", documents(
            fake_store({"db": "x"}), external_secret("app", {"k": "db"}),
            external_secret("other", {"k": "db"}),
            host_projection("web", ["app"], "web/tls")))
        wait(lambda: os.path.exists(path_of(a, "k")))
        assert a.es("other") is None or a.es("other")["keys"] == 0
        assert a.status()["cache"]["records"] == 1, a.status()["cache"]


def test_templates_know_the_time_zones():
    """The sandbox of a job must leave zoneinfo readable."""
    with Agent(csi=False) as a:
        a.manifest("a.yaml", documents(
            fake_store({"db": "x"}),
            external_secret("app", {"k": "db"}, target={"template": {"data": {
                "when": '{{ dateInZone "15:04 MST" (toDate "2006-01-02" '
                        '"2026-07-01") "Europe/Berlin" }}'}}}),
            host_projection("web", ["app"], "web/tls")))
        wait(lambda: os.path.exists(path_of(a, "when")))
        assert read(path_of(a, "when")) == b"02:00 CEST", read(
            path_of(a, "when"))


if __name__ == "__main__":
    main(globals())
