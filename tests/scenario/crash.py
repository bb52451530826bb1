#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kill -9 of any one process at any moment, while files rotate.

A process is stopped by ptrace at its n-th system call during a rotation and
killed there; a reader that opens whole generations runs throughout.  The
others go on or are started again, files stay, nothing is torn, and the next
rotation arrives.  KILLS (default 12) is how many; the calls hit are printed.
Now and then the agent itself is restarted, also because the keeper's patience
with processes that keep dying ends.

The control is torn_reader itself: over files that are written in place it must
find a mix.
"""
import concurrent.futures
import os
import random
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (BUILD, Agent, documents, external_secret,  # noqa: E402
                      fake_store, host_projection, main, read, wait)

KILLS = int(os.environ.get("KILLS", "12"))
TOOLS = os.path.join(BUILD, "test/tools")
PAD = "x" * 3000


def rotation(agent, n):
    """Five keys that always hold the same text.  What changes while core is
    away is no change to it: what it has sealed it asks for within an interval
    (core/spread.h), so that is a short one."""
    agent.manifest("a.yaml", documents(
        fake_store({"v": f"gen-{n:06}-{PAD}"}),
        external_secret("app", {f"k{i}": "v" for i in range(5)},
                        interval="4s"),
        host_projection("web", ["app"], "web")))


def reader(path):
    return subprocess.Popen(["nice", os.path.join(TOOLS, "torn_reader"), path],
                            stdout=subprocess.PIPE, text=True)


def reader_end(p):
    p.send_signal(signal.SIGTERM)
    text = p.communicate(timeout=10)[0]
    return p.returncode, text.strip()


# Who is killed, and within how many stops: about what one rotation takes.
VICTIMS = {"core": 160, "fsproj": 60, "zygote": 60, "job": 400}


class Sweep:
    """What all agents together have hit."""

    def __init__(self):
        self.hit = set()
        self.nothing_new = set()


def words_for(name, rng, sweep):
    """kill_at's words: any stop, or every other time a call not yet hit."""
    at = rng.randint(1, VICTIMS[name])
    # A rotation is two jobs: one reads the file, one fetches.
    child = rng.randint(1, 2) if name == "job" else 0
    words = [str(at), "2", str(child)]
    if rng.random() < 0.5 or name in sweep.nothing_new:
        return words, False
    known = ",".join(str(c) for n, c in sweep.hit if n == name)
    return ["1", "2", str(child), known], True


def kill_one(a, rng, n, name, sweep):
    """Kill while the files rotate: whether it came to that, and the number of
    the last rotation.  A process may make fewer calls than asked for."""
    pid = wait(lambda: a.pids().get("zygote" if name == "job" else name), 10)
    words, wants_new = words_for(name, rng, sweep)
    tracer = subprocess.Popen([os.path.join(TOOLS, "kill_at"), str(pid),
                               *words], stdout=subprocess.PIPE, text=True)
    time.sleep(0.05)
    while tracer.poll() is None:
        n += 1
        rotation(a, n)
        time.sleep(0.05)
    text = tracer.communicate()[0].strip()
    killed = tracer.returncode == 0
    if killed:
        sweep.hit.add((name, int(text)))
    elif wants_new:
        sweep.nothing_new.add(name)
    return killed, n


def kills(seed, count, sweep):
    """One agent through ${count} kills."""
    rng = random.Random(seed)
    n = 0
    with Agent() as a:
        rotation(a, 0)
        a.ready()
        volume = a.publish("app")
        host = os.path.join(a.host, "web")
        wait(lambda: os.path.exists(f"{host}/k0"))
        readers = [reader(volume), reader(host)]
        done = tried = 0
        while done < count:
            if tried % 8 == 7:
                assert a.stop() == 0
                a.start()
                a.ready()
            name = list(VICTIMS)[tried % len(VICTIMS)]
            killed, n = kill_one(a, rng, n, name, sweep)
            done, tried, n = done + killed, tried + 1, n + 1
            assert tried < 3 * count + 20, (tried, done)
            rotation(a, n)
            want = f"gen-{n:06}".encode()
            wait(lambda: read(f"{volume}/k0").startswith(want), 20)
            wait(lambda: read(f"{host}/k0").startswith(want), 20)
        for p in readers:
            code, text = reader_end(p)
            print(f"# {text}")
            assert code == 0, text
        wait(lambda: a.status()["ready"], 10)
        a.unpublish()


def test_kill_any_process_at_any_call():
    agents = max(1, min(3, KILLS // 48))
    shares = [KILLS // agents + (i < KILLS % agents) for i in range(agents)]
    sweep = Sweep()
    with concurrent.futures.ThreadPoolExecutor(agents) as pool:
        list(pool.map(kills, range(20261123, 20261123 + agents), shares,
                      [sweep] * agents))
    print(f"# {KILLS} killed, at {len(sweep.hit)} distinct (process, call), "
          f"{len({c for _, c in sweep.hit})} distinct calls: "
          f"{sorted(sweep.hit)}")
    assert len(sweep.hit) >= min(KILLS // 2, 50), sweep.hit


def test_control_writing_in_place_is_found():
    with Agent(csi=False) as a:
        base = os.path.join(a.base, "inplace")
        os.makedirs(f"{base}/gen")
        os.symlink("gen", f"{base}/..data")
        for i in range(5):
            with open(f"{base}/gen/k{i}", "w", encoding="utf-8") as f:
                f.write("gen-0" + PAD)
        p = reader(base)
        for n in range(300):
            for i in range(5):
                with open(f"{base}/gen/k{i}", "w", encoding="utf-8") as f:
                    f.write(f"gen-{n}" + PAD)
        code, text = reader_end(p)
        assert code == 1 and "torn 0" not in text, text


def test_volume_is_noted_before_it_is_mounted():
    """Core may die between the mount and its own answer: the next one must
    know the mount."""
    with Agent() as a:
        rotation(a, 0)
        a.ready()
        a.publish("app", pod="pod0")
        pids = a.pids()
        os.kill(pids["fsproj"], signal.SIGSTOP)
        call = threading.Thread(target=a.publish, args=("app",),
                                kwargs={"check": False})
        call.start()
        try:
            wait(lambda: b'"csi-pod1-secrets"' in read(f"{a.run}/volumes"), 3)
        finally:
            os.kill(pids["core"], signal.SIGKILL)
            os.kill(pids["fsproj"], signal.SIGCONT)
            call.join()
        # fsproj may have mounted it by itself, or not: what is mounted is
        # known, and a note without a mount says nothing.
        wait(lambda: (a.status() or {}).get("ready"), 10)
        wait(lambda: sorted(v["pod"] for v in a.status()["volumes"]) == [
            pod for pod in ("pod0", "pod1")
            if os.path.ismount(a.target(pod))], 10)
        assert read(f"{a.publish('app')}/k0").startswith(b"gen-000000")
        rotation(a, 1)
        for pod in ("pod0", "pod1"):
            wait(lambda: read(f"{a.target(pod)}/k0").startswith(
                b"gen-000001"), 10)
            a.unpublish(pod)


def test_keeper_dies_and_the_others_end():
    with Agent() as a:
        rotation(a, 0)
        a.ready()
        volume = a.publish("app")
        pids = a.pids()
        a.process.kill()
        a.process.wait()
        for name, pid in pids.items():
            wait(lambda: not os.path.exists(f"/proc/{pid}") or
                 " Z" in open(f"/proc/{pid}/stat").read(), 2)
        assert read(f"{volume}/k0").startswith(b"gen-000000")
        a.start()
        a.ready()
        a.publish("app")
        a.unpublish()


def test_each_process_is_started_again_within_5_s():
    with Agent() as a:
        rotation(a, 0)
        a.ready()
        for name in ("fsproj", "zygote", "core"):
            pid = a.pids()[name]
            os.kill(pid, signal.SIGKILL)
            wait(lambda: a.pids().get(name, pid) != pid, 5)
            wait(lambda: (a.status() or {}).get("ready"), 5)


if __name__ == "__main__":
    main(globals())
