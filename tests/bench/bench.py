#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make bench: figures as ratios against a floor of the same run.

Each figure is measured in alternating runs, ours and the floor's, and held
against the bound of its issue.  A floor that is itself 1.5 times slower than
it was on the developers' kind of machine makes the figure worthless: the
machine is then called unfit, and the bench fails without a verdict.

Fails as well when a bar is missed, when nothing was measured, and when a
program that measures fails.

usage: bench.py [publish|sync|memory|seal|templates|render]…
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from scenario import (BUILD, Agent, documents, external_secret,  # noqa: E402
                      fake_store, isolate, wait)
from openbao import PEERS, TOKEN, OpenBao  # noqa: E402
from sealing import bench_seal  # noqa: E402
from values import bench_render, bench_templates  # noqa: E402

RUNS = 10
TURNS = 50	# publishes, and volumes of the floor, in one run
FLOOR_PUBLISH_US = 200	# p50 on the developers' kind of machine
FLOOR_READS_MS = 650		# of 1,000, one connection
FLOOR_BARE_READS_MS = 285	# … without OpenBao's default policy
DRIVER_ATTRS = ("csi.storage.k8s.io/pod.namespace=default "
                "csi.storage.k8s.io/pod.name=pod csi.storage.k8s.io/pod.uid=u "
                "csi.storage.k8s.io/serviceAccount.name=default "
                "csi.storage.k8s.io/ephemeral=true "
                "externalSecret=app").split()

results = []	# name, value, bound, unit, good


def report(name, value, bound, unit, unfit=False):
    good = value <= bound and not unfit
    results.append(good)
    verdict = "unfit machine" if unfit else "held" if good else "NOT HELD"
    print(f"{name:<58} {value:9.2f} {unit:<4} (bound {bound}) {verdict}",
          flush=True)


def report_ratio(name, ours, floor, bound, written):
    """The median of ours / floor of each run.  Nonzero when the floor is 1.5
    times slower than written: the machine is unfit then, whatever we do."""
    unfit = statistics.median(floor) > 1.5 * written
    report(name, statistics.median(o / f for o, f in zip(ours, floor)),
           bound, "x", unfit)
    return unfit


def spread(values):
    return f"p50 {statistics.median(values):.1f}, {min(values):.1f} to " \
           f"{max(values):.1f}, {len(values)} runs"


def five_keys(agent):
    data = {f"k{i}": f"value-{i}" for i in range(5)}
    agent.manifest("a.yaml", documents(
        fake_store(data), external_secret(
            "app", {k: k for k in data}, annotations={
                "nodeseal.dev/claim": "node1"})))
    wait(lambda: (agent.es("app") or {}).get("ready"))


def publish_words(agent, n, name):
    """csi_client for n publishes NAME0 …, one new connection each."""
    for i in range(n):
        os.makedirs(os.path.join(agent.pods, f"{name}{i}"), exist_ok=True)
    words = []
    for a in DRIVER_ATTRS:
        words += ["--attr", a]
    return [os.path.join(BUILD, "test/tools/csi_client"),
            os.path.join(agent.kubelet, "plugins/csi.nodeseal.dev/csi.sock"),
            "bench-publish", str(n), "--target",
            os.path.join(agent.pods, name + "%d/mount"), "--volume-id",
            name + "%d", *words]


def publishes(agent, n, name, *flags):
    """Microseconds of n publishes."""
    out = subprocess.run([*publish_words(agent, n, name), *flags],
                         capture_output=True, text=True, check=True)
    return [float(x) for x in out.stdout.split()]


def floor_words(agent, n, name):
    """The floor's targets lie beside the agent's, on the same disk."""
    path = os.path.join(agent.base, name)
    os.mkdir(path)
    return [os.path.join(BUILD, "test/bench/floor_publish"), path, str(n)]


class Stepped:
    """A program that does one thing a line of its stdin, and says how long
    it took."""

    def __init__(self, *words):
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        if self.process.wait():
            raise RuntimeError(f"{self.process.args[0]} failed")


def take_turns(agent, run):
    """Medians of TURNS publishes and as many bare volumes.  They take turns,
    so that both meet the machine as it is at that moment, and each finds its
    caches as somebody else has left them: a publish is no loop."""
    ours = Stepped(*publish_words(agent, TURNS, f"run{run}-"), "--stepped")
    floor = Stepped(*floor_words(agent, TURNS, f"floor{run}"), "stepped")
    took = [(ours.step(), floor.step()) for _ in range(TURNS)]
    ours.end()
    floor.end()
    return [statistics.median(column) for column in zip(*took)]


def in_a_row(agent):
    """The same without turns, for the eye: many at once, caches warm."""
    floor = subprocess.run(floor_words(agent, 200, "row"), check=True,
                           capture_output=True, text=True)
    return (statistics.median(publishes(agent, 200, "row-")),
            statistics.median(float(x) for x in floor.stdout.split()))


def bench_publish():
    bench_burst(bench_turns())


def bench_turns():
    with Agent("--log-level", "info") as a:
        five_keys(a)
        publishes(a, 20, "warm")
        ours, floor = zip(*[take_turns(a, run) for run in range(RUNS)])
        row = in_a_row(a)
    print(f"  warm publish, µs: {spread(ours)}; floor: {spread(floor)}")
    print(f"  in a row, µs: {row[0]:.1f}; floor: {row[1]:.1f}")
    return report_ratio("warm NodePublishVolume / bare kernel work, p50",
                        ours, floor, 3, FLOOR_PUBLISH_US)


def bench_burst(unfit=False):
    burst, again = [], []
    for run in range(RUNS):
        with Agent("--log-level", "info") as a:
            five_keys(a)
            publishes(a, 2, "warm")
            for i in range(110):
                os.makedirs(os.path.join(a.pods, f"pod{i}"), exist_ok=True)
            start = time.monotonic()
            publishes(a, 110, "pod", "--parallel")
            burst.append((time.monotonic() - start) * 1e3)
            if not again:
                again = republish(a)
    print(f"  110 publishes at once, ms: {spread(burst)}")
    report("110 publishes at once", statistics.median(burst), 150, "ms",
           unfit)
    report("unchanged republish of 110: provider requests", again[0], 0, "")
    report("unchanged republish of 110: volumes written", again[1], 0, "")
    report("unchanged republish of 110: bytes written", again[2], 0, "")


def republish(agent):
    """Of 110 publishes that change nothing: requests, swaps, bytes."""
    before, wrote = agent.status(), written_bytes(agent)
    if not wrote:
        raise RuntimeError("/proc/PID/io does not count what is written")
    publishes(agent, 110, "pod")
    wrote = written_bytes(agent) - wrote
    after = agent.status()
    generations = {v["path"]: v["generation"] for v in before["volumes"]}
    return (sum(s["requests"] for s in after["stores"]) -
            sum(s["requests"] for s in before["stores"]),
            sum(v["generation"] != generations[v["path"]]
                for v in after["volumes"]), wrote)


def written_bytes(agent):
    """What all processes have written into files of any kind so far."""
    total = 0
    for pid in agent.pids().values():
        with open(f"/proc/{pid}/io", encoding="utf-8") as f:
            total += sum(int(line.split()[1]) for line in f
                         if line.startswith("wchar:"))
    return total


def vault_store(url, name="store"):
    import json
    return json.dumps({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"provider": {"vault": {
            "server": url, "path": "secret", "version": "v2",
            "auth": {"appRole": {"path": "approle", "roleId": ROLE[0],
                                 "secretRef": {"name": "role",
                                               "key": "id"}}}}}}})


def secret(name, data, ns="default"):
    import json
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {
        "name": name, "namespace": ns}, "stringData": data})


ROLE = ["", ""]


def floor_reads(bao, token, n):
    """Milliseconds of the same reads by a bare client on one connection."""
    out = subprocess.run(
        [os.path.join(BUILD, "test/bench/floor_reads"),
         f"{bao.url}/v1/secret/data/bench/", token, str(n)],
        capture_output=True, text=True, check=True)
    return float(out.stdout)


def synced(agent, n, since, seconds=60):
    """Milliseconds from ``since`` until n ExternalSecrets are synced.

    The agent logs a line for each, after its record is in the cache; asking
    for its status would make it print a thousand of them again and again."""
    seen, tail = 0, b""
    with open(agent.log_path, "rb", buffering=0) as log:
        while seen < n:
            text = tail + (log.read() or b"")
            lines, _, tail = text.rpartition(b"\n")
            seen += lines.count(b": secret synced")
            if time.monotonic() > since + seconds:
                raise AssertionError(f"{seen} of {n} in {seconds} s")
            time.sleep(0.001)
    return (time.monotonic() - since) * 1e3


def sync_run(bao, text, n, cold):
    """One first sync; milliseconds, requests, logins."""
    requests, logins = bao.counts()
    with Agent("--log-level", "info", csi=False) as a:
        if cold:
            a.stop()
            a.manifest("a.yaml", text)
            os.unlink(a.log_path)
            start = time.monotonic()
            a.start()
        else:
            a.ready()
            start = time.monotonic()
            a.manifest("a.yaml", text)
        took = synced(a, n, start)
        records = a.status()["cache"]["records"]
        assert records == n, f"{records} records of {n}"
    after = bao.counts()
    return took, after[0] - requests, after[1] - logins


def sync_runs(bao, n, cold):
    """Lists of milliseconds: ours, ours from a cold start, the floor, the
    floor with the root token; and the last run's requests and logins."""
    text = documents(vault_store(bao.url), secret(
        "role", {"id": ROLE[1]}), *[external_secret(
            f"es-{i}", {"password": (f"bench/{i}", "password")},
            annotations={"nodeseal.dev/claim": "node1"})
            for i in range(n)])
    token = bao.call("POST", "auth/approle/login", {
        "role_id": ROLE[0], "secret_id": ROLE[1]})["auth"]["client_token"]
    rows = []
    for _ in range(RUNS):
        floor = floor_reads(bao, token, n)
        took, requests, logins = sync_run(bao, text, n, cold=False)
        rows.append((took, sync_run(bao, text, n, cold=True)[0] if cold
                     else 0, floor,
                     floor_reads(bao, TOKEN, n) if cold else 0))
    return [*zip(*rows), requests, logins]


def bench_sync():
    """From the moment at which one file with 1,000 ExternalSecrets and their
    store is renamed into the folder of an agent that runs, until the 1,000th
    value lies in the agent's cache.  All of it counts: inotify and the wait
    for a burst's end, parsing, four jobs with a login each, fetching, sealing,
    opening, reporting.  Only the start of the agent's processes does not; it
    is shown beside it, from exec to the last value.

    The floor reads with a token from a login of the same AppRole, because it
    is the server that makes the difference: OpenBao parses the policy
    "default", which is a template, anew for every request, and asks no policy
    at all for its root token.  So there are two bars: a role as one makes it,
    and one without that policy, with which the server does 40 % of the work
    and ours shows the more."""
    n = 1000
    with OpenBao() as bao:
        for i in range(n):
            bao.put(f"bench/{i}", {"password": f"value-{i}"})
        ROLE[:] = bao.approle()
        ours, cold, floor, root, requests, logins = sync_runs(bao, n, True)
        bao.call("POST", "auth/approle/role/nodeseal",
                 {"token_no_default_policy": True})
        bare, _, bare_floor, _, _, _ = sync_runs(bao, n, False)
    print(f"  1,000 ExternalSecrets, ms: {spread(ours)}\n"
          f"  floor: {spread(floor)}; root token: {spread(root)}\n"
          f"  with the start of the agent: {spread(cold)}\n"
          f"  without the default policy: {spread(bare)}\n"
          f"  floor: {spread(bare_floor)}")
    report_ratio("first sync of 1,000 / bare client on one connection", ours,
                 floor, 1.5, FLOOR_READS_MS)
    report_ratio("the same without OpenBao's default policy", bare,
                 bare_floor, 1.5, FLOOR_BARE_READS_MS)
    report("requests beyond the 1,000 reads, 4 jobs", requests - n, 12, "")
    report("logins, 4 jobs", logins, 4, "")


def pss(pid):
    total = dirty = 0
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as f:
        for line in f:
            if line.startswith("Pss:"):
                total = int(line.split()[1])
            if line.startswith("Private_Dirty:"):
                dirty = int(line.split()[1])
    return total / 1024, dirty / 1024


def bench_memory():
    with Agent("--log-level", "info") as a:
        data = {f"k{i}": f"value-{i}" for i in range(5)}
        a.manifest("a.yaml", documents(fake_store(data), *[external_secret(
            f"es-{i}", {k: k for k in data},
            annotations={"nodeseal.dev/claim": "node1"})
            for i in range(100)]))
        wait(lambda: (a.status() or {}).get("cache", {}).get(
            "records") == 100, 30)
        for i in range(110):
            a.publish(f"es-{i % 100}", pod=f"pod{i}")
        time.sleep(2)
        pids = a.pids()
        each = {name: pss(pid) for name, pid in pids.items()}
    for name, (p, d) in sorted(each.items()):
        print(f"  {name:<8} PSS {p:6.2f} MiB, private dirty {d:5.2f} MiB")
    report("PSS of all processes, 100 ExternalSecrets, 110 volumes",
           sum(p for p, _ in each.values()), 16, "MiB")
    base = libraries_only()
    report("private dirty above programs that only load their libraries",
           sum(d for _, d in each.values()) - base, 3, "MiB")


def libraries_only():
    """Private dirty MiB of the same programs, stopped in main."""
    total = 0
    for name in ("nodeseal", "nodeseal", "nodeseal-job", "nodeseal-fsproj"):
        env = dict(os.environ, LD_PRELOAD=os.path.join(
            BUILD, "test/bench/stop_in_main.so"))
        p = subprocess.Popen([os.path.join(BUILD, name)], env=env,
                             stdin=subprocess.DEVNULL)
        try:
            time.sleep(0.3)
            total += pss(p.pid)[1]
        finally:
            p.kill()
            p.wait()
    return total


FIGURES = {"publish": bench_publish, "sync": bench_sync,
           "memory": bench_memory,
           "seal": lambda: bench_seal(report, spread),
           "templates": lambda: bench_templates(report, spread),
           "render": lambda: bench_render(report, spread)}


def verdict():
    """The exit status: 0 only when something was measured, and all held."""
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


def main():
    # On a disk, as /var/lib/kubelet is, where /tmp may be a tmpfs.
    tempfile.tempdir = "/var/tmp"
    wanted = sys.argv[1:] or list(FIGURES)
    if not set(wanted) <= set(FIGURES):
        sys.exit(f"usage: bench.py [{'|'.join(FIGURES)}]…")
    isolate()
    if "sync" in wanted and not os.path.exists(os.path.join(PEERS, "bao")):
        sys.exit("bench.py: no OpenBao: run tests/tools/peers.sh first")
    for name in wanted:
        FIGURES[name]()
    sys.exit(verdict())


if __name__ == "__main__":
    main()
