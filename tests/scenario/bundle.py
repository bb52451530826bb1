#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A node that has only bundles: made on a machine with the store, carried,
imported, served over a restart, brought up to date, expired, revoked."""
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (BUILD, NODESEAL, Agent, documents, external_secret,  # noqa: E402
                      host_projection, main, read, wait, write)
from stores import FakeVault  # noqa: E402

OFFLINE = "offline.nodeseal.dev/"


class Office:
    """The connected machine: an issuer, manifests and their store."""

    def __init__(self, vault):
        self.vault = vault
        self.base = tempfile.mkdtemp(prefix="nodeseal-office-")
        self.manifests = os.path.join(self.base, "manifests")
        self.made = 0

    def key(self, name="issuer"):
        path = os.path.join(self.base, name)
        if not os.path.exists(path):
            bundle("keygen", "-o", path)
            assert os.stat(path).st_mode & 0o777 == 0o600
        return path

    def issuer_id(self, name="issuer"):
        out = bundle("inspect", self.create(name=name), "-o", "json")
        return json.loads(out)["issuer"]

    def put(self, *names, annotations=None, extra=(), **values):
        """One ExternalSecret a name, `password` in it."""
        store = {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
                 "metadata": {"name": "store", "namespace": "default"},
                 "spec": {"provider": {"vault": {
                     "server": self.vault.url, "path": "secret",
                     "version": "v2", "auth": {"tokenSecretRef": {
                         "name": "t", "key": "token"}}}}}}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {
            "name": "t", "namespace": "default"},
            "stringData": {"token": "root"}}
        for name, value in values.items():
            self.vault.put(name, {"password": value})
        write(os.path.join(self.manifests, "a.yaml"), documents(
            json.dumps(store), json.dumps(secret), *extra, *[
                external_secret(n, {"password": (n, "password")},
                                annotations=annotations)
                for n in names or values]))

    def create(self, *words, node="nsk1 0000", name="issuer", rc=0):
        """The bundle's file."""
        if node == "nsk1 0000":
            node = self.node
        self.made += 1
        out = os.path.join(self.base, f"b{self.made}.bundle")
        bundle("create", "--issuer", self.key(name), "--node-key", node,
               "-f", self.manifests, "-o", out, *words, rc=rc)
        return out


def bundle(*words, rc=0):
    out = subprocess.run([NODESEAL, "bundle", *words], capture_output=True,
                         text=True, check=False, timeout=60)
    assert out.returncode == rc, (words, out)
    return out.stdout + out.stderr


@contextlib.contextmanager
def site(*flags, issuers=("issuer",), projection="web", **values):
    """A node without any store, and the office that serves it."""
    with FakeVault() as vault, contextlib.ExitStack() as at_end:
        office = Office(vault)
        at_end.callback(shutil.rmtree, office.base, ignore_errors=True)
        folder = os.path.join(office.base, "in")
        os.mkdir(folder)
        words = ["--bundles", folder]
        for i in issuers:
            words += ["--issuer-key", office.key(i) + ".pub"]
        with Agent(*words, *flags) as node:
            if projection:
                node.manifest("host.yaml", host_projection(
                    "web", ["app"], projection))
            node.ready()
            node.folder = folder
            office.node = node.status()["bundles"]["nodeKey"]
            if values:
                office.put(**values)
            yield office, node


def drop(node, path, name=None):
    """Into the watched folder, as a carrier's copy does."""
    name = os.path.join(node.folder, name or os.path.basename(path))
    write_bytes(name + ".part", read(path))
    os.rename(name + ".part", name)


def write_bytes(path, data):
    with open(path, "wb") as f:
        f.write(data)


def import_(node, path, rc=0):
    return bundle("import", path, "--run", node.run, rc=rc)


def host_file(node):
    return os.path.join(node.host, "web", "password")


def is_served(node, value):
    wait(lambda: os.path.exists(host_file(node)) and
         read(host_file(node)) == value)


def problems(node, *words):
    """A degraded line that has all of these words."""
    return [l for l in node.status()["degraded"]
            if all(w in l for w in words)]


def restart(node):
    node.stop()
    node.start()
    node.ready()


def in_clear(folder, needle):
    """Files below it, but not on another file system, that hold it."""
    found = []
    here = os.stat(folder).st_dev
    for top, dirs, names in os.walk(folder):
        dirs[:] = [d for d in dirs
                   if os.stat(os.path.join(top, d)).st_dev == here]
        for n in names:
            path = os.path.join(top, n)
            if os.path.isfile(path) and needle in read(path):
                found.append(path)
    return found


# --- the life of such a node ------------------------------------------------------

def test_only_bundles():
    """O11, and O2 for a node that never had a store."""
    with site(app="s3cret-needle", other="x") as (office, node):
        path = office.create()
        office.vault.stop()
        assert b"needle" not in read(path) and b"app" not in read(path)
        said = json.loads(bundle("inspect", path, "-o", "json", "--issuer-key",
                                 office.key() + ".pub"))
        assert said["signature"] == "good" and said["mode"] == "full", said
        start = time.monotonic()
        drop(node, path)
        is_served(node, b"s3cret-needle")
        print(f"# files {time.monotonic() - start:.2f} s after it was dropped")
        e = node.es("app")
        assert e["source"] == "bundle" and e["ready"] and not e["stale"], e
        assert e["reason"] == "ServedFromBundle", e
        assert said["bundle"] in e["message"], e
        # Brought, and claimed by nobody yet.
        assert node.es("other")["claims"] == [], node.es("other")
        volume = node.publish("other", attrs={"statusFile": "true"})
        assert read(os.path.join(volume, "password")) == b"x"
        about = json.loads(read(os.path.join(
            volume, "..nodeseal/status.json")))["externalSecrets"]
        assert about[0]["source"] == "bundle" and about[0]["lastSync"], about
        node.unpublish()
        os.unlink(os.path.join(node.folder, os.path.basename(path)))
        node.stop()
        assert in_clear(node.base, b"needle") == []
        assert in_clear(office.base, b"needle") == []
        subprocess.run(["umount", node.host], check=False)
        node.start()
        start = time.monotonic()
        is_served(node, b"s3cret-needle")
        print(f"# files {time.monotonic() - start:.2f} s after a restart")
        assert node.es("app")["reason"] == "ServedFromBundle"
        volume = node.publish("other", pod="new")
        assert read(os.path.join(volume, "password")) == b"x"
        node.unpublish(pod="new")


def test_nothing_stays_in_memory():
    """M1 for what bundles bring: as tests/scenario/memory.py."""
    needles = [os.urandom(24).hex() for _ in range(40)]
    with site(app=needles[0]) as (office, node):
        office.put(app=needles[0], **{f"x{i}": n
                                      for i, n in enumerate(needles)})
        first = office.create()
        import_(node, first)
        is_served(node, needles[0].encode())
        office.put(**{f"x{i}": n for i, n in enumerate(needles)})
        drop(node, office.create("--since", first + ".index"))
        wait(lambda: not os.path.exists(host_file(node)))
        path = os.path.join(office.base, "needles")
        write(path, "\n".join(needles) + "\n")
        scan = [os.path.join(BUILD, "test/tools/memscan"), path]
        out = subprocess.run([*scan, str(office.vault.process.pid)],
                             capture_output=True, text=True, check=False)
        assert len(out.stdout.splitlines()) > 1, out
        out = subprocess.run([*scan, *map(str, node.pids().values())],
                             capture_output=True, text=True, check=False)
        assert out.stdout.splitlines()[:-1] == [], out.stdout
        assert not any(n in node.log() for n in needles)


def test_projections_travel_too():
    with site(projection=None) as (office, node):
        office.put(app="s3cret", extra=[host_projection("web", ["app"],
                                                        "web")])
        drop(node, office.create())
        is_served(node, b"s3cret")
        office.put("app")
        drop(node, office.create())
        wait(lambda: not os.path.exists(host_file(node)))
        assert node.es("app")["source"] == "bundle"


def test_delta():
    with site(app="one", kept="k", gone="g") as (office, node):
        first = office.create()
        office.put("app", "kept", app="two")
        second = office.create("--since", first + ".index")
        assert len(read(second)) < len(read(first))
        # What goes upon another one waits for it.
        out = import_(node, second, rc=1)
        assert "previous: " in out and "none" in out, out
        import_(node, first)
        is_served(node, b"one")
        before = node.es("kept")["lastSync"]
        out = import_(node, second)
        assert "1 values, 1 kept" in out, out
        is_served(node, b"two")
        assert node.es("kept")["source"] == "bundle"
        assert node.es("kept")["lastSync"] == before
        assert node.es("gone") is None
        restart(node)
        assert read(host_file(node)) == b"two"
        assert node.es("kept")["keys"] == 1
        # An index of somebody else's bundle is none of ours.
        out = bundle("create", "--issuer", office.key("second"), "--node-key",
                     office.node, "-f", office.manifests, "-o",
                     office.base + "/x.bundle", "--since", first + ".index",
                     rc=1)
        assert "another issuer" in out, out


def test_dropped_together():
    """In the order of their sequences, whatever their names are."""
    with site(app="one") as (office, node):
        first = office.create()
        office.put(app="two")
        second = office.create("--since", first + ".index")
        drop(node, second, "a.bundle")
        drop(node, first, "b.bundle")
        is_served(node, b"two")
        assert problems(node, "bundle") == [], node.status()["degraded"]


def test_expiry():
    """O6 for bundles.  Control: -DWEAKEN_BUNDLE_EXPIRY."""
    with site(app="old", other="o") as (office, node):
        office.put("app", "other", annotations={
            OFFLINE + "on-expiry": "RemoveFiles"})
        path = office.create("--valid-for", "3s")
        drop(node, path)
        is_served(node, b"old")
        wait(lambda: not os.path.exists(host_file(node)), 8)
        e = node.es("app")
        assert not e["ready"] and "expired" in e["error"], e
        assert problems(node, "expired", "import a newer one")
        out = node.publish("other", check=False, extra=["--timeout", "3"])
        assert out.returncode != 0
        out = import_(node, path, rc=1)
        assert "not_after: it expired at" in out, out
        # An expired one stays so, whatever is started again.
        restart(node)
        time.sleep(0.5)
        assert not os.path.exists(host_file(node))
        drop(node, office.create())
        is_served(node, b"old")
        assert node.es("app")["error"] is None


def test_expiry_keeps_files():
    with site(app="old") as (office, node):
        drop(node, office.create("--valid-for", "3s"))
        is_served(node, b"old")
        wait(lambda: not node.es("app")["ready"], 8)
        e = node.es("app")
        assert e["stale"] and e["source"] == "bundle", e
        assert read(host_file(node)) == b"old"
        out = node.publish("app", check=False, extra=["--timeout", "3"])
        assert out.returncode != 0


def test_revocation():
    with site(app="s3cret", other="o") as (office, node):
        first = office.create()
        import_(node, first)
        is_served(node, b"s3cret")
        office.put("other")
        import_(node, office.create("--revoke", "default/app"))
        wait(lambda: not os.path.exists(host_file(node)))
        assert node.es("other")["source"] == "bundle"
        # A bundle that has not come yet never will.
        office.put("app", "other")
        lost = office.create("--sequence", "9000000000000")
        ident = json.loads(bundle("inspect", lost, "-o", "json"))["bundle"]
        import_(node, office.create("--revoke-bundle", ident))
        is_served(node, b"s3cret")
        out = import_(node, lost, rc=1)
        assert "bundle: " in out and "was revoked" in out, out
        restart(node)
        out = import_(node, lost, rc=1)
        assert "was revoked" in out, out
        assert read(host_file(node)) == b"s3cret"


def test_issuer_rotation():
    with site(app="one") as (office, node):
        old = office.issuer_id()
        out = import_(node, office.create(name="second"), rc=1)
        assert "issuer: " in out and "--issuer-key" in out, out
        import_(node, office.create("--new-issuer",
                                    office.key("second") + ".pub"))
        is_served(node, b"one")
        restart(node)
        office.put(app="two")
        import_(node, office.create("--revoke-issuer", old, name="second"))
        is_served(node, b"two")
        out = import_(node, office.create(), rc=1)
        assert "issuer: " in out and "was revoked" in out, out
        restart(node)
        out = import_(node, office.create(), rc=1)
        assert "was revoked" in out, out
        assert read(host_file(node)) == b"two"
        states = {i["issuer"]: i["state"]
                  for i in node.status()["bundles"]["issuers"]}
        assert states[old] == "revoked", states


# --- what must not come in ----------------------------------------------------------

def test_refused():
    """O11: each for its own reason, and what was there is served on."""
    with site(app="good") as (office, node), Agent(csi=False) as other:
        other.ready()
        older = office.create()
        office.put(app="newer")
        good = office.create()
        import_(node, good)
        is_served(node, b"newer")
        data = read(office.create())
        cases = {
            "other": (read(office.create(
                node=other.status()["bundles"]["nodeKey"])), 1, "recipient: "),
            "older": (read(older), 1, "sequence: "),
            "replayed": (read(good), 1, "sequence: "),
            "unknown": (read(office.create(name="stranger")), 1, "issuer: "),
            "cut": (data[:-100], 4, "signature: "),
            "short": (data[:200], 4, "length: "),
            "flip": (data[:900] + bytes([data[900] ^ 1]) + data[901:], 4,
                     "signature: "),
            "sequence": (data[:88] + b"\xff" * 8 + data[96:], 4,
                         "signature: "),
            "none": (b"hello", 1, "magic: "),
        }
        for name, (content, rc, field) in cases.items():
            path = os.path.join(office.base, name + ".bundle")
            write_bytes(path, content)
            out = import_(node, path, rc=rc)
            assert field in out, (name, out)
            if name != "replayed":
                drop(node, path)
                wait(lambda n=name, f=field: problems(
                    node, f"{n}.bundle", f))
            assert read(host_file(node)) == b"newer"
        assert node.es("app")["ready"]
        for name in cases:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(node.folder, name + ".bundle"))
        wait(lambda: not problems(node, ".bundle"))


def test_hostile_files():
    with site(app="good") as (office, node):
        secret = os.path.join(office.base, "elsewhere.bundle")
        write_bytes(secret, read(office.create()))
        os.mkfifo(os.path.join(node.folder, "fifo.bundle"))
        os.symlink(secret, os.path.join(node.folder, "link.bundle"))
        os.symlink("/dev/zero", os.path.join(node.folder, "zero.bundle"))
        os.mkdir(os.path.join(node.folder, "dir.bundle"))
        with open(os.path.join(node.folder, "huge.bundle"), "wb") as f:
            f.truncate(1 << 40)
        for name in ("fifo", "link", "zero", "dir", "huge"):
            wait(lambda n=name: problems(node, n + ".bundle"))
        assert not os.path.exists(host_file(node))
        drop(node, office.create())
        is_served(node, b"good")
        for i in range(100):
            write_bytes(os.path.join(node.folder, f"many{i}.bundle"), b"x")
        wait(lambda: problems(node, "more than 64"))
        assert node.es("app")["ready"]


def test_agent_that_is_not_there():
    with site(app="s3cret") as (office, node):
        path = office.create()
        node.stop()
        out = bundle("import", path, "--run", node.run, "--state",
                     os.path.join(node.base, "state"))
        assert "no agent runs" in out, out
        node.start()
        is_served(node, b"s3cret")
        wait(lambda: os.listdir(os.path.join(
            node.base, "state", "bundles")) == [])
        restart(node)
        assert node.es("app")["source"] == "bundle"


def test_nothing_is_half_written():
    """A failing store: no bundle, no index, exit status 1."""
    with site(app="s3cret") as (office, _):
        office.vault.stop()
        path = office.create(rc=1)
        assert [n for n in os.listdir(office.base)
                if n.startswith(os.path.basename(path))] == []
        out = bundle("create", rc=2)
        assert "--issuer" in out, out


if "asan" in BUILD:	# it keeps what was freed
    del test_nothing_stays_in_memory

if __name__ == "__main__":
    main(globals())
