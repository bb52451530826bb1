# SPDX-License-Identifier: Apache-2.0
"""The sealed cache: what writing it costs, how soon a node serves from it, and
how often a disk is made to write."""
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from scenario import (BUILD, Agent, documents, external_secret,  # noqa: E402
                      fake_store, wait)

ROUNDS = 20
STARTS = 5
ITEMS = 1000
STORES = 10	# an object has a ceiling
SYNCS = 3	# of one write: the file, its directory, the witness


def bench_seal(report, spread):
    written(report, spread)
    with Agent("--log-level", "info") as a:
        burst(a, report)
        cold(a, report, spread)


def written(report, spread):
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o700)
        out = subprocess.run(
            [os.path.join(BUILD, "test/bench/seal_write"), place, str(ITEMS),
             str(ROUNDS)], check=True, capture_output=True, text=True)
    rows = [[float(x) for x in line.split()]
            for line in out.stdout.splitlines()]
    ours, floor = zip(*rows)
    print(f"  1,000 x 4 KiB, µs: {spread(ours)}; plain: {spread(floor)}")
    report("1,000 x 4 KiB sealed and durable / write, fsync, rename",
           statistics.median(o / f for o, f in rows), 1.5, "x")


def manifests(a, turn):
    """ITEMS ExternalSecrets of 4 KiB each; another turn, other values."""
    for s in range(STORES):
        data = {f"k{i}": f"{turn}-{i}-".ljust(4096, "x")
                for i in range(s, ITEMS, STORES)}
        a.manifest(f"store{s}.yaml", fake_store(data, name=f"store{s}"))
    a.manifest("items.yaml", documents(*[
        external_secret(f"app-{i}", {"value": f"k{i}"},
                        store=f"store{i % STORES}", annotations={
                            "nodeseal.dev/claim": "node1",
                            "turn": str(turn)})
        for i in range(ITEMS)]))


def settled(a, generation):
    """Everything is synced and sealed, and nothing more is written."""
    def done():
        s = a.status()
        return (s and s["cache"]["records"] == ITEMS and
                s["cache"]["generation"] > generation and
                all(e["ready"] and e["source"] == "live"
                    for e in s["externalSecrets"]) and s["cache"])
    wait(done, 120, 0.2)
    last = None
    while last != a.status()["cache"]["generation"]:
        last = a.status()["cache"]["generation"]
        time.sleep(7)
    return last


def burst(a, report):
    manifests(a, 1)
    before = settled(a, 0)
    manifests(a, 2)
    after = settled(a, before)
    report("fsyncs of a burst of 1,000 changes", (after - before) * SYNCS, 10,
           "")


def first_publish(a):
    start = time.monotonic()
    a.start()
    sock = os.path.join(a.kubelet, "plugins", "csi.nodeseal.dev", "csi.sock")
    # The keeper binds it anew.
    wait(lambda: os.path.exists(sock) and
         os.stat(sock).st_ctime >= a.started, 10, 0.001)
    a.publish("app-7", pod="cold")
    return (time.monotonic() - start) * 1000


def cold(a, report, spread):
    # Without a store that would answer: what is served is what was sealed.
    for s in range(STORES):
        a.manifest(f"store{s}.yaml", fake_store({"none": "x"},
                                                name=f"store{s}"))
    wait(lambda: not a.es("app-1")["ready"], 60, 0.2)
    took = []
    for _ in range(STARTS):
        a.stop()
        a.started = time.time() - 0.01
        took.append(first_publish(a))
        a.unpublish(pod="cold")
    print(f"  start to the first publish, ms: {spread(took)}")
    report("1,000 sealed records, start to the first publish",
           statistics.median(took), 100, "ms")
