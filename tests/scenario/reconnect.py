#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The store is back, and everything is overdue: no stampede."""
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (Agent, documents, external_secret, main,  # noqa: E402
                      read, wait)
from stores import FakeVault  # noqa: E402

ITEMS = 1000
WINDOW = 8		# the refresh interval, in seconds


def manifests(agent, vault, n=ITEMS, interval=f"{WINDOW}s", **more):
    store = {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
             "metadata": {"name": "store", "namespace": "default"},
             "spec": {"provider": {"vault": {
                 "server": vault.url, "path": "secret", "version": "v2",
                 "auth": {"tokenSecretRef": {"name": "t", "key": "token"}}}}}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {
        "name": "t", "namespace": "default"}, "stringData": {"token": "root"}}
    agent.manifest("a.yaml", documents(
        json.dumps(store), json.dumps(secret), *[
            external_secret(f"app{i}", {"password": (f"app{i}", "password")},
                            interval=interval, annotations={
                                "nodeseal.dev/claim": "node1"}, **more)
            for i in range(n)]))


def fill(vault, n=ITEMS):
    for i in range(n):
        vault.put(f"app{i}", {"password": "s3cret"})


def synced(agent):
    status = agent.status() or {"externalSecrets": []}
    return sum(e["ready"] for e in status["externalSecrets"])


def circuit(agent):
    return agent.status()["stores"][0]["circuit"]


def reads(vault, since):
    """How many were read in each half second, until as many as items are."""
    before, seen, end = since, [], time.monotonic() + WINDOW * 2
    while sum(seen) < ITEMS and time.monotonic() < end:
        time.sleep(0.5)
        now = vault.counts()["requests"]
        seen.append(now - before)
        before = now
    return seen


def is_spread(seen):
    print(f"# {sum(seen)} reads in {len(seen) / 2} s, at most {max(seen)} in "
          "half a second")
    assert sum(seen) >= ITEMS, seen
    # All at once they would be a handful of jobs: within two seconds.
    assert max(seen) < ITEMS // 4, seen
    assert len(seen) / 2 > WINDOW * 0.6, seen


def test_a_thousand_after_an_outage():
    """O8.  Control: -DWEAKEN_SPREAD."""
    with FakeVault() as vault, Agent(csi=True) as a:
        fill(vault)
        manifests(a, vault)
        wait(lambda: synced(a) == ITEMS, 60, 0.2)
        vault.fault("status", status=503)
        wait(lambda: circuit(a) != "closed", 60, 0.2)
        time.sleep(WINDOW)
        vault.put("late", {"password": "n3w"})
        before = vault.counts()
        vault.fault()
        wait(lambda: circuit(a) == "closed", 70, 0.1)
        # One who has nothing yet does not wait for those who have.
        a.manifest("b.yaml", external_secret(
            "late", {"password": ("late", "password")}))
        start = time.monotonic()
        path = a.publish("late")
        print(f"# a new pod's volume after {time.monotonic() - start:.2f} s")
        assert time.monotonic() - start < 5
        assert read(os.path.join(path, "password")) == b"n3w"
        is_spread(reads(vault, before["requests"]))
        jobs = vault.counts()["lookups"] - before["lookups"]
        print(f"# {jobs} jobs")
        assert jobs < ITEMS // 5, jobs
        wait(lambda: synced(a) == ITEMS + 1, WINDOW * 2, 0.2)


def test_a_thousand_after_a_restart():
    with FakeVault() as vault, Agent(csi=False) as a:
        fill(vault)
        manifests(a, vault)
        wait(lambda: synced(a) == ITEMS, 60, 0.2)
        wait(lambda: a.status()["cache"]["records"] == ITEMS and
             a.status()["cache"]["sealedAt"])
        a.stop()
        time.sleep(WINDOW)
        before = vault.counts()["requests"]
        a.start()
        wait(lambda: (a.status() or {}).get("ready"))
        assert synced(a) == ITEMS
        is_spread(reads(vault, before))


def test_changed_meanwhile():
    """What somebody has changed does not wait for its turn."""
    with FakeVault() as vault, Agent(csi=False) as a:
        fill(vault, 20)
        manifests(a, vault, 20, "3s")
        wait(lambda: synced(a) == 20)
        vault.fault("status", status=503)
        wait(lambda: circuit(a) != "closed", 20)
        manifests(a, vault, 20, "1h", target={"name": "other"})
        time.sleep(1)
        vault.fault()
        wait(lambda: circuit(a) == "closed", 70, 0.1)
        wait(lambda: synced(a) == 20, 20)


def test_revoked_meanwhile():
    """What the store no longer has goes at the first look at it."""
    with FakeVault() as vault, Agent(csi=True) as a:
        fill(vault, 3)
        manifests(a, vault, 3, "3s", target={"deletionPolicy": "Delete"})
        wait(lambda: synced(a) == 3)
        path = a.publish("app1")
        assert read(os.path.join(path, "password")) == b"s3cret"
        vault.stop()
        wait(lambda: circuit(a) != "closed", 30)
        assert read(os.path.join(path, "password")) == b"s3cret"
        vault.start()
        wait(lambda: not os.path.exists(os.path.join(path, "password")), 30)
        assert os.path.ismount(path)


def test_visible_while_it_lasts():
    """O4: status, the volume's own file, the log; and all of them clear."""
    with FakeVault() as vault, Agent(csi=True) as a:
        fill(vault, 1)
        manifests(a, vault, 1, "2s")
        a.ready()
        path = a.publish("app0", attrs={"statusFile": "true"})

        def about():
            return json.loads(read(os.path.join(
                path, "..nodeseal/status.json")))["externalSecrets"][0]
        assert about()["source"] == "live" and not about()["stale"], about()
        vault.fault("status", status=503)
        wait(lambda: about()["source"] == "memory", 20)
        assert a.es("app0")["source"] == "memory"
        assert a.es("app0")["ageSeconds"] >= 2
        vault.fault()
        wait(lambda: about()["source"] == "live", 70)
        e = a.es("app0")
        assert e["source"] == "live" and e["error"] is None, e


def test_expired_login():
    """O7: a credential that ended meanwhile costs no restart."""
    with FakeVault() as vault, Agent(csi=False) as a:
        fill(vault, 1)
        manifests(a, vault, 1, "2s")
        wait(lambda: synced(a) == 1)
        vault.fault("status", status=403)
        wait(lambda: not a.es("app0")["ready"])
        assert a.es("app0")["keys"] == 1
        time.sleep(3)
        vault.fault()
        vault.put("app0", {"password": "n3w"})
        start = time.monotonic()
        wait(lambda: a.es("app0")["ready"], 20)
        print(f"# {time.monotonic() - start:.1f} s")


if __name__ == "__main__":
    main(globals())
