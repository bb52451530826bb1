#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""up and down by hand, and that nothing stays when they are ended half-way."""
import glob
import os
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import cluster_hold  # noqa: E402
import scenario  # noqa: E402
from cluster_node import peer  # noqa: E402
from scenario import wait  # noqa: E402

MARK = f"hold-{os.getpid()}"


def marked():
    """Every process that was started below one with our mark."""
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as f:
                if f"HOLD_MARK={MARK}".encode() in f.read().split(b"\0"):
                    found.append(int(path.split("/")[2]))
        except OSError:
            pass
    return found


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return f.read()


def cgroups():
    return {p for r in cluster_hold.cgroup_roots()
            for p in glob.glob(f"{r}/{cluster_hold.PREFIX}*")}


def start(folder):
    return subprocess.Popen(
        [f"{HERE}/up", "--dir", folder], text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=dict(os.environ, HOLD_MARK=MARK))


def down(folder):
    return subprocess.run([f"{HERE}/down", "--dir", folder], text=True,
                          capture_output=True, check=False)


def test_up_and_down():
    before, groups = mounts(), cgroups()
    with tempfile.TemporaryDirectory() as top:
        folder = f"{top}/cluster"
        up = start(folder)
        out = up.communicate(timeout=180)[0]
        assert up.returncode == 0, out
        kubeconfig = out.split("export KUBECONFIG=")[1].splitlines()[0]
        nodes = subprocess.run([peer("kubectl"), "--kubeconfig", kubeconfig,
                                "get", "nodes"], text=True, check=True,
                               capture_output=True).stdout
        assert "node1" in nodes and " Ready" in nodes, nodes
        assert mounts() == before
        again = start(folder)
        assert again.wait(30) == 1 and "running already" in again.stdout.read()
        assert down(folder).returncode == 0
        assert not os.path.exists(folder)
        assert down(folder).returncode == 1
    wait(lambda: not marked(), 10)
    assert mounts() == before and cgroups() <= groups


def half_way(victim):
    """Ends a part of a starting cluster at moments all over its start."""
    before, groups = mounts(), cgroups()
    for seconds in (0.2, 1.0, 2.5, 5.0):
        with tempfile.TemporaryDirectory() as top:
            up = start(f"{top}/cluster")
            time.sleep(seconds)
            if up.poll() == 0:	# a fast machine: it is up, and stays
                assert down(f"{top}/cluster").returncode == 0
            else:
                os.kill(victim(up.pid, f"{top}/cluster"), signal.SIGKILL)
            wait(lambda: not marked() or marked() == [up.pid], 10)
            up.wait(20)
            up.stdout.close()
            wait(lambda: not marked(), 10)
            assert mounts() == before, seconds
            # The next one removes what a killed holder could not.
            cluster_hold.cgroups_sweep()
            assert cgroups() <= groups, (seconds, cgroups())


def holder(_, folder):
    def of_file():
        try:
            with open(f"{folder}/holder", encoding="utf-8") as f:
                return int(f.read().split()[0])
        except (OSError, ValueError, IndexError):
            return None
    return wait(of_file, 5)


def test_up_killed_half_way():
    half_way(lambda pid, _: pid)


def test_holder_killed_half_way():
    half_way(holder)


if __name__ == "__main__":
    # Out here: what must not stay behind would be hidden in namespaces.
    os.environ["NODESEAL_ISOLATED"] = "1"
    scenario.main(globals())
