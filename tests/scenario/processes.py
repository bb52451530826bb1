#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The life of the processes: who dies takes nobody's files along; signals;
kernels that lack something."""
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (NODESEAL, Agent, documents, external_secret,  # noqa: E402
                      fake_store, host_projection, main, read, wait,
                      write)
from stores import FakeVault  # noqa: E402


def objects(agent, value):
    agent.manifest("a.yaml", documents(
        fake_store({"v": value}), external_secret("app", {"k": "v"}),
        host_projection("web", ["app"], "web")))


def hanging(agent, vault):
    """A tenant whose store does not answer; the job that waits for it."""
    vault.fault("hang")
    agent.manifest("slow.yaml", documents(
        '{"apiVersion":"external-secrets.io/v1","kind":"SecretStore",'
        '"metadata":{"name":"slow"},"spec":{"provider":{"vault":{"server":'
        f'"{vault.url}","path":"secret","auth":{{"tokenSecretRef":'
        '{"name":"login","key":"token"}}}}}}',
        '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"login"},'
        '"stringData":{"token":"root"}}',
        external_secret("slow", {"k": "x"}, store="slow"),
        host_projection("slow", ["slow"], "slow")))
    wait(lambda: any(r["status"] == 0 for r in vault.requests()))
    zygote = agent.pids()["zygote"]
    return wait(lambda: len(children(zygote)) == 1 and children(zygote)[0])


def children(pid):
    found = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/stat", encoding="utf-8") as f:
                words = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(words[1]) == pid and words[0] != "Z":
            found.append(int(p))
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_kill_at_rest():
    with Agent() as a:
        objects(a, "v0")
        a.ready()
        path = a.publish("app")
        wait(lambda: os.path.exists(f"{a.host}/web/k"))
        for n, name in enumerate(("fsproj", "zygote", "core"), 1):
            pids = a.pids()
            os.kill(pids[name], signal.SIGKILL)
            wait(lambda: a.pids().get(name, pids[name]) != pids[name], 5)
            assert read(f"{path}/k") == read(f"{a.host}/web/k") == \
                b"v%d" % (n - 1)
            assert os.path.ismount(path), name
            if name != "core":
                assert a.pids()["core"] == pids["core"], name
            wait(lambda: (a.status() or {}).get("ready"), 5)
            objects(a, f"v{n}")
            wait(lambda: read(f"{path}/k") == b"v%d" % n, 10)
            wait(lambda: read(f"{a.host}/web/k") == b"v%d" % n, 10)


def test_killed_job_costs_its_own_items():
    with FakeVault() as vault, Agent() as a:
        objects(a, "v0")
        a.ready()
        zygote = a.pids()["zygote"]
        os.kill(hanging(a, vault), signal.SIGKILL)
        wait(lambda: a.es("slow")["error"])
        assert a.es("slow")["error"] == \
            "SecretStore slow: job was killed by SIGKILL", a.es("slow")
        assert a.pids()["zygote"] == zygote
        objects(a, "v1")
        wait(lambda: os.path.exists(f"{a.host}/web/k"))
        wait(lambda: read(f"{a.host}/web/k") == b"v1")


def test_keeper_dies_under_load():
    """A publish waits, a job waits for its store: all end, mounts stay."""
    with FakeVault() as vault, Agent() as a:
        objects(a, "v0")
        a.ready()
        path = a.publish("app")
        job = hanging(a, vault)
        pids = a.pids()
        a.process.kill()
        a.process.wait()
        end = time.monotonic() + 2
        everyone = [*pids.values(), job]
        while any(map(alive, everyone)) and time.monotonic() < end:
            time.sleep(0.02)
        left = [p for p in everyone if alive(p)]
        assert left == [], left
        assert read(f"{path}/k") == b"v0" and os.path.ismount(path)


def test_sigterm_within_5_s():
    with FakeVault() as vault, Agent() as a:
        objects(a, "v0")
        a.ready()
        path = a.publish("app")
        everyone = [hanging(a, vault), *a.pids().values()]
        start = time.monotonic()
        assert a.stop(signal.SIGTERM, 5) == 0
        print(f"# ended after {time.monotonic() - start:.2f} s")
        # A job is ended by its parent's death, which may be the last.
        wait(lambda: not any(map(alive, everyone)), 1)
        assert read(f"{path}/k") == b"v0" and os.path.ismount(path)
        assert not os.path.exists(f"{a.run}/status.sock")


def test_sighup_reads_anew():
    """What inotify does not say: another file is mounted over one of ours."""
    with Agent() as a:
        objects(a, "v0")
        a.ready()
        wait(lambda: os.path.exists(f"{a.host}/web/k"))
        ours, other = f"{a.manifests}/a.yaml", f"{a.base}/other.yaml"
        with open(other, "w", encoding="utf-8") as f:
            f.write(read(ours).decode().replace("v0", "v1"))
        subprocess.run(["mount", "--bind", other, ours], check=True)
        time.sleep(0.5)
        assert read(f"{a.host}/web/k") == b"v0"
        a.process.send_signal(signal.SIGHUP)
        wait(lambda: read(f"{a.host}/web/k") == b"v1")
        subprocess.run(["umount", ours], check=True)


def config(agent, *lines):
    write(f"{agent.base}/conf", "\n".join(lines) + "\n")
    os.chmod(f"{agent.base}/conf", 0o600)	# core's user cannot read it


def reload(agent, line):
    """SIGHUP, and its n-th line in the log."""
    n = agent.log().count(line)
    agent.process.send_signal(signal.SIGHUP)
    wait(lambda: agent.log().count(line) > n)


def test_sighup_reads_the_config_anew():
    """What can change while it runs does; what cannot is named."""
    with Agent() as a:
        a.stop()
        a.flags += ["--config", f"{a.base}/conf"]
        config(a, "max-jobs = 2", "claim-unclassed = true")
        a.manifest("a.yaml", documents(
            fake_store({"v": "v0"}), external_secret("app", {"k": "v"}),
            host_projection("web", ["app"], "web"),
            host_projection("db", ["app"], "db", nodeSelector={
                "matchLabels": {"disk": "ssd"}})))
        a.start()
        a.ready()
        wait(lambda: os.path.exists(f"{a.host}/web/k"))
        assert not os.path.exists(f"{a.host}/db")
        # A label, and something that only a start can take over.
        config(a, "max-jobs = 3", "node-label = disk=ssd",
               f"kubelet-dir = {a.base}/elsewhere")
        reload(a, "--node-label: taken over from")
        wait(lambda: os.path.exists(f"{a.host}/db/k"))
        assert "--max-jobs: taken over from" in a.log()
        assert "--kubelet-dir: " not in a.log(), "the command line wins"
        config(a, "node-label = disk=hdd", "user = 1234",
               "class = other", "log-level = info")
        reload(a, "--user: has changed in")
        wait(lambda: not os.path.exists(f"{a.host}/db"))
        wait(lambda: a.status()["class"] == "other")
        # Broken: all stays, and the line is named.
        config(a, "class = third", "max-job = 9")
        reload(a, "conf:2: --max-job: no such flag: did you mean --max-jobs?"
               ": all stays as it was")
        assert a.status()["class"] == "other"
        # A core that is started again has what the others have.
        os.kill(a.pids()["core"], signal.SIGKILL)
        wait(lambda: (a.status() or {}).get("ready"))
        assert a.status()["class"] == "other"


# ASan's mlock never fails, and its builds have no seccomp.
SANITIZED = "asan" in os.environ.get("NODESEAL_BUILD", "")

LACKS = {
    ("landlock",): "landlock: not supported by this kernel",
    ("memfd_secret",): "memfd_secret: Function not implemented; locked "
                       "memory instead",
    ("memfd_secret", "mlock"): "memory may be swapped",
    ("noswap",): "tmpfs without noswap",
}
if SANITIZED:
    del LACKS["memfd_secret", "mlock"]


def test_a_lacking_kernel_is_said():
    for lacks, line in LACKS.items():
        with Agent(lacks=lacks) as a:
            objects(a, "v0")
            a.ready()
            s = a.status()
            assert any(line in d for d in s["degraded"]), s["degraded"]
            assert s["memoryProtection"] == (
                "degraded" if "memfd_secret" in lacks else "full"), s
            assert read(a.publish("app") + "/k") == b"v0"
            table = subprocess.run([NODESEAL, "status", "--run", a.run],
                                   capture_output=True, text=True, check=True)
            assert f"degraded: {line[:20]}" in table.stdout or \
                line in table.stdout, table.stdout


def test_a_kernel_without_openat2():
    """fsproj says so at its start, and nothing is mounted without it."""
    if SANITIZED:
        return
    with Agent(lacks=("openat2",)) as a:
        objects(a, "v0")
        why = "error fsproj: openat2 (needs Linux 5.12): Function not implemen"
        wait(lambda: a.log().count(why) > 1)	# and is tried again
        assert not a.status()["ready"], a.status()
        out = a.publish("app", check=False)
        assert out.returncode == 14 and "not connected" in out.stdout, out


def test_a_lacking_kernel_is_refused():
    """--require-sandbox: no half protection, and no restarts for ever."""
    if SANITIZED:
        return
    for lacks, line in LACKS.items():
        with Agent("--require-sandbox", lacks=lacks) as a:
            end = time.monotonic() + 5
            while a.process.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
            assert a.process.poll() == 1, (lacks, a.process.poll())
            assert line in a.log(), a.log()
            assert "run without --require-sandbox" in a.log(), a.log()
    with Agent("--require-sandbox") as a:
        objects(a, "v0")
        a.ready()
        assert read(a.publish("app") + "/k") == b"v0"


if __name__ == "__main__":
    main(globals())
