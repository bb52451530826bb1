#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A node that restarts without its store: what it has sealed, it serves."""
import json
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import Agent, main, read, wait  # noqa: E402
from sealed import (OFFLINE, first_sync, host_file, manifests,  # noqa: E402
                    reboot, sealed, state)
from stores import FakeVault  # noqa: E402

def test_reboot_without_the_store():
    with FakeVault() as vault, Agent() as a:
        cache = first_sync(a, vault)
        assert cache["state"] == "ok" and cache["problem"] is None, cache
        assert cache["records"] == 1 and cache["bytes"] > 0, cache
        assert a.status()["keySource"] == "file"
        with open(state(a), "rb") as f:
            content = f.read()
        for needle in (b"s3cret", b"default", b"app", b"password"):
            assert needle not in content
        assert os.stat(state(a)).st_mode & 0o777 == 0o600
        vault.stop()
        reboot(a)
        a.start()
        start = time.monotonic()
        wait(lambda: os.path.exists(host_file(a)), 5)
        print(f"# files {time.monotonic() - start:.2f} s after the start")
        assert read(host_file(a)) == b"s3cret"
        # A pod that was never here.
        path = a.publish("app", pod="new")
        assert read(os.path.join(path, "password")) == b"s3cret"
        e = a.es("app")
        assert e["source"] == "sealed" and e["ready"], e
        assert e["reason"] == "ServedFromCache" and not e["stale"], e
        assert e["lastSync"] is not None, e
        a.unpublish(pod="new")


def test_refresh_after_the_outage():
    with FakeVault() as vault, Agent() as a:
        first_sync(a, vault, interval="2s")
        vault.stop()
        reboot(a)
        a.start()
        wait(lambda: os.path.exists(host_file(a)), 5)
        wait(lambda: a.es("app")["error"] is not None)
        e = a.es("app")
        assert e["source"] == "sealed" and not e["ready"], e
        wait(lambda: a.es("app")["stale"])
        vault.start()
        vault.put("app", {"password": "n3w"})
        wait(lambda: read(host_file(a)) == b"n3w", 20)
        e = a.es("app")
        assert e["source"] == "live" and e["ready"] and not e["stale"], e


def test_killed_is_not_torn():
    """The keeper and all of its processes at once, in the middle of it."""
    with FakeVault() as vault, Agent(csi=False) as a:
        first_sync(a, vault)
        vault.put("app", {"password": "second"})
        manifests(a, vault, annotations={"touch": "1"})
        wait(lambda: read(host_file(a)) == b"second")
        a.stop(signo=9)
        vault.stop()
        reboot(a)
        a.start()
        wait(lambda: os.path.exists(host_file(a)), 5)
        assert read(host_file(a)) in (b"s3cret", b"second")
        assert a.status()["cache"]["state"] == "ok"


def test_old_file_put_back():
    """Control: -DWEAKEN_SEAL_GENERATION."""
    with FakeVault() as vault, Agent(csi=False) as a:
        first_sync(a, vault)
        shutil.copy2(state(a), state(a, "old"))
        os.chown(state(a, "old"), os.stat(state(a)).st_uid, -1)
        vault.put("app", {"password": "second"})
        manifests(a, vault, annotations={"touch": "1"})
        wait(lambda: read(host_file(a)) == b"second")
        sealed(a, 2)
        vault.stop()
        reboot(a)
        os.rename(state(a, "old"), state(a))
        a.start()
        a.ready()
        cache = a.status()["cache"]
        assert cache["state"] == "rolled-back", cache
        assert "generation" in cache["problem"], cache
        assert os.path.exists(state(a, "cache.seal.quarantine"))
        time.sleep(0.5)
        assert not os.path.exists(host_file(a))


def test_damaged_file():
    with FakeVault() as vault, Agent(csi=False) as a:
        first_sync(a, vault)
        vault.stop()
        reboot(a)
        with open(state(a), "r+b") as f:
            f.seek(400)
            byte = f.read(1)
            f.seek(400)
            f.write(bytes([byte[0] ^ 1]))
        a.start()
        a.ready()
        cache = a.status()["cache"]
        assert cache["state"] == "tampered", cache
        assert not os.path.exists(host_file(a))
        # The agent goes on; with its store it serves again.
        vault.start()
        vault.put("app", {"password": "again"})
        wait(lambda: os.path.exists(host_file(a)), 20)
        # A new file is sealed; what was found is said until the next start.
        wait(lambda: os.path.exists(state(a)))
        cache = a.status()["cache"]
        assert cache["state"] == "tampered" and cache["problem"], cache
        reboot(a)
        a.start()
        a.ready()
        assert a.status()["cache"]["state"] == "ok"
        assert os.path.exists(state(a, "cache.seal.quarantine"))


def test_key_that_is_away():
    """Nothing is touched meanwhile: the key may come back."""
    with FakeVault() as vault, Agent(csi=False) as a:
        first_sync(a, vault)
        vault.stop()
        reboot(a)
        before = read(state(a))
        os.rename(state(a, "node.key"), state(a, "away"))
        a.start()
        a.ready()
        s = a.status()
        assert s["cache"]["state"] == "foreign", s["cache"]
        assert "--key-source" in s["cache"]["problem"], s["cache"]
        assert s["keySource"] == "memory", s["keySource"]
        assert not os.path.exists(state(a, "node.key"))
        reboot(a)
        assert read(state(a)) == before
        os.rename(state(a, "away"), state(a, "node.key"))
        a.start()
        wait(lambda: os.path.exists(host_file(a)), 5)
        assert read(host_file(a)) == b"s3cret"


def test_policy_keeps_it_out():
    with FakeVault() as vault, Agent(csi=False) as a:
        cache = first_sync(a, vault,
                           annotations={OFFLINE + "mode": "MemoryOnly"})
        assert cache["state"] == "partial", cache
        assert "policy" in cache["problem"], cache
        vault.stop()
        reboot(a)
        a.start()
        a.ready()
        time.sleep(0.5)
        assert not os.path.exists(host_file(a))


def test_unknown_policy_is_an_error():
    with FakeVault() as vault, Agent(csi=False) as a:
        vault.put("app", {"password": "s3cret"})
        manifests(a, vault, annotations={OFFLINE + "mode": "Sometimes"})
        wait(lambda: (a.es("app") or {}).get("reason") == "Rejected")
        e = a.es("app")
        assert "offline.nodeseal.dev/mode" in e["message"], e
        assert "ServeStale" in e["message"], e
        assert not os.path.exists(host_file(a))


def test_passphrase():
    with FakeVault() as vault, Agent(csi=False) as a:
        words = os.path.join(a.base, "words")
        with open(words, "w", encoding="utf-8") as f:
            os.fchmod(f.fileno(), 0o600)
            f.write("correct horse\n")
        a.stop()
        shutil.rmtree(os.path.join(a.base, "state"), ignore_errors=True)
        a.flags += ["--key-source", "passphrase-file:" + words]
        a.start()
        first_sync(a, vault)
        assert a.status()["keySource"] == "passphrase-file"
        assert not os.path.exists(state(a, "node.key"))
        vault.stop()
        reboot(a)
        a.start()
        wait(lambda: os.path.exists(host_file(a)), 5)
        assert read(host_file(a)) == b"s3cret"


if __name__ == "__main__":
    main(globals())
