#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Between refreshes: nothing (DESIGN.md §6, promise 7)."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (Agent, documents, external_secret, fake_store,  # noqa: E402
                      main, wait)


def switches(agent):
    """How often each thread of the agent was given a CPU, by process.

    Who sleeps in a system call and does not wake has made none: a count that
    stands still says what strace would, without being seen by it."""
    found = {}
    for name, pid in agent.pids().items():
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/status",
                      encoding="utf-8") as f:
                found[name, tid] = [line.split()[1] for line in f
                                    if "ctxt_switches" in line]
    return found


def still(agent, seconds):
    before = switches(agent)
    time.sleep(seconds)
    return switches(agent) == before


def test_a_thousand_idle_items_cost_nothing():
    n = 1200
    with Agent("--log-level", "info") as a:
        a.manifest("a.yaml", documents(
            fake_store({"k": "v"}), *[external_secret(
                f"es-{i}", {"k": "k"},
                annotations={"nodeseal.dev/claim": "node1"})
                for i in range(n)]))
        wait(lambda: (a.status() or {}).get("cache", {}).get(
            "records") == n, 60)
        a.publish("es-1")
        assert len(switches(a)) >= 4, switches(a)
        wait(lambda: still(a, 1), 30)
        # No refresh is due for 54 minutes.
        assert still(a, 3)
        # The measure sees one change of one file.
        before = switches(a)
        a.manifest("b.yaml", fake_store({"k": "v"}, name="other"))
        wait(lambda: switches(a) != before, 5)


if __name__ == "__main__":
    main(globals())
