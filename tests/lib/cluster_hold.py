# SPDX-License-Identifier: Apache-2.0
"""The namespaces that hold a whole node, seen from outside.

hold() runs a command as the child of the first process of new mount, network,
process, host-name and IPC namespaces.  Whatever ends first, the command, that
process or the holder, ends all of them, and with the namespaces go their
mounts, bridges and firewall rules.  Only cgroups have no namespace of their own
(version 1 has no private hierarchies): the node gets a folder in each, named
after the holder, removed by it, or by the next one when it was killed.
"""
import glob
import os
import signal
import subprocess
import time

CGROUPS = "/sys/fs/cgroup"
PREFIX = "nodeseal-test-"
V1 = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio",
      "pids", "systemd", "unified", "hugetlb", "net_cls", "net_prio",
      "perf_event")


def started(pid):
    """When a living process began, in ticks since boot, or None.  With its id
    it names a process for ever."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            words = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if words[0] == "Z" else words[19]


def cgroup_name():
    return f"{PREFIX}{os.getpid()}-{started(os.getpid())}"


def cgroup_roots():
    """The hierarchies that a kubelet uses, of version 1 or 2."""
    if os.path.exists(f"{CGROUPS}/cgroup.controllers"):
        return [CGROUPS]
    return [f"{CGROUPS}/{name}" for name in V1
            if os.path.isdir(f"{CGROUPS}/{name}")]


def cgroups_make(name):
    for root in cgroup_roots():
        path = f"{root}/{name}"
        os.makedirs(path, exist_ok=True)
        # A new cpuset is empty, and nothing can run in an empty one.
        for which in ("cpuset.cpus", "cpuset.mems"):
            if os.path.exists(f"{path}/{which}") and \
                    os.path.basename(root) == "cpuset":
                with open(f"{root}/{which}", encoding="utf-8") as f:
                    value = f.read()
                with open(f"{path}/{which}", "w", encoding="utf-8") as f:
                    f.write(value)


def cgroups_remove(name):
    for root in cgroup_roots():
        for folder, _, _ in os.walk(f"{root}/{name}", topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass


def cgroups_sweep():
    """What holders left that were killed."""
    for root in cgroup_roots():
        for path in glob.glob(f"{root}/{PREFIX}*"):
            name = os.path.basename(path)
            pid, _, when = name[len(PREFIX):].partition("-")
            if started(pid) != when:
                cgroups_remove(name)


def hold(command, pass_fds=()):
    """Runs the command on a node of its own; its exit status.  The command
    finds the name of its cgroup in NODESEAL_CGROUP."""
    cgroups_sweep()
    name = cgroup_name()
    cgroups_make(name)
    env = dict(os.environ, NODESEAL_CGROUP=name)
    # The shell is the first process: it reaps what containerd orphans.
    with subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--net",
             "--pid", "--uts", "--ipc", "--fork", "--kill-child",
             "--mount-proc", "sh", "-c", '"$@"; exit $?', "node", *command],
            env=env, pass_fds=pass_fds) as node:

        def end(*_):
            node.kill()

        for signo in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signo, end)
        try:
            return node.wait()
        finally:
            node.kill()
            node.wait()
            settle(name)
            cgroups_remove(name)


def settle(name):
    """Until the last process of the cgroup is gone."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        busy = False
        for root in cgroup_roots():
            for folder, _, _ in os.walk(f"{root}/{name}"):
                try:
                    with open(f"{folder}/cgroup.procs", encoding="utf-8") as f:
                        busy = busy or bool(f.read().strip())
                except OSError:
                    pass
        if not busy:
            return
        time.sleep(0.05)
