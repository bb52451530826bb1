#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real pods with volumes of csi.nodeseal.dev: the agent runs on the node over a
folder of manifests, registered at the real kubelet."""
import contextlib
import os
import signal
import stat
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from cluster import main  # noqa: E402
from scenario import (DRIVER, ROOT, Agent, documents,  # noqa: E402
                      external_secret, fake_store, wait)

KUBELET = "/var/lib/kubelet"
KEYS = {"user": "admin", "password": "s3cret"}


def drivers(c):
    """Names that the kubelet has written into CSINode."""
    node = c.api("GET", f"/apis/storage.k8s.io/v1/csinodes/{c.name}")
    return {d["name"] for d in node["spec"].get("drivers") or []}


@contextlib.contextmanager
def agent(c):
    """An agent that the kubelet knows, with an ExternalSecret app."""
    c.apply(os.path.join(ROOT, "daemonset/base/csidrivers.yaml"))
    with Agent(kubelet=KUBELET) as a:
        objects(a)
        a.ready()
        wait(lambda: DRIVER in drivers(c), 30)
        yield a


def objects(a, values=None):
    a.manifest("a.yaml", documents(
        fake_store(values or KEYS),
        external_secret("app", {k: k for k in KEYS})))


def pod(c, name, attributes=None, spec=None, container=None, read_only=True,
        driver=DRIVER):
    """A pod whose volume is mounted at /secrets."""
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "main", "image": c.busybox(),
                "imagePullPolicy": "Never",
                "volumeMounts": [{"name": "secrets", "readOnly": True,
                                  "mountPath": "/secrets"}],
                **(container or {})}],
            "volumes": [{"name": "secrets", "csi": {
                "driver": driver, "readOnly": read_only,
                "volumeAttributes": {"externalSecret": "app",
                                     **(attributes or {})}}}],
            **(spec or {})}}


@contextlib.contextmanager
def running(c, *pods):
    try:
        c.apply(*pods)
        for p in pods:
            c.wait_pod(p["metadata"]["name"])
        yield
    finally:
        for p in pods:
            c.delete("pod", p["metadata"]["name"])


def volume(c, name):
    uid = c.pod(name)["metadata"]["uid"]
    return f"{KUBELET}/pods/{uid}/volumes/kubernetes.io~csi/secrets/mount"


def mounts(path):
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        return [line for line in f if line.split()[4] == path]


def generation(a, path):
    (v,) = [v for v in a.status()["volumes"] if v["path"] == path]
    return v["generation"]


def test_pod_reads_its_files_and_sees_a_rotation(c):
    with agent(c) as a, running(c, pod(c, "reader")):
        assert c.exec("reader", "cat", "/secrets/user") == "admin"
        listing = c.exec("reader", "ls", "-la", "/secrets")
        assert "password -> ..data/password" in listing, listing
        write = c.exec("reader", "touch", "/secrets/x", check=False)
        assert "Read-only file system" in write.stderr, write
        path = volume(c, "reader")
        assert len(mounts(path)) == 1
        (v,) = a.status()["volumes"]
        assert v["pod"] == "reader" and v["podNamespace"] == "default", v
        objects(a, {"user": "admin", "password": "n3w"})
        begin = time.monotonic()
        wait(lambda: c.exec("reader", "cat", "/secrets/password") == "n3w", 10)
        print(f"# rotation seen in the pod after "
              f"{time.monotonic() - begin:.2f} s")
    assert not mounts(path) and not os.path.exists(path)


def test_group_on_a_read_only_volume(c):
    spec = {"securityContext": {"runAsUser": 1000, "runAsNonRoot": True,
                                "runAsGroup": 1000, "fsGroup": 4321}}
    with agent(c), running(c, pod(c, "grouped", spec=spec)):
        assert c.exec("grouped", "cat", "/secrets/password") == "s3cret"
        st = os.stat(volume(c, "grouped") + "/user")
        assert st.st_gid == 4321 and stat.S_IMODE(st.st_mode) == 0o640, st


def test_what_a_pod_cannot_have_is_said_in_its_events(c):
    with agent(c):
        for name, more, word in (
                ("writable", {"read_only": False}, "csi.readOnly: true"),
                ("unknown", {"attributes": {"nope": "x"}}, "nope")):
            c.apply(pod(c, name, **more))
            wait(lambda n=name, w=word: any(
                r == "FailedMount" and w in m for r, m in c.events(n)), 30)
            assert not mounts(volume(c, name))
            c.delete("pod", name)


def test_agent_restarts_while_a_pod_runs(c):
    with agent(c) as a, running(c, pod(c, "steady")):
        path = volume(c, "steady")
        for signo in (signal.SIGTERM, signal.SIGKILL):
            a.stop(signo)
            assert c.exec("steady", "cat", "/secrets/user") == "admin"
            a.start()
            a.ready()
            assert len(mounts(path)) == 1
            word = f"after-{signo}"
            objects(a, {"user": word, "password": "x"})
            wait(lambda w=word: c.exec("steady", "cat",
                                       "/secrets/user") == w, 15)
            objects(a)
            wait(lambda: c.exec("steady", "cat", "/secrets/user") ==
                 "admin", 15)
        # And pods are made and ended as before.
        wait(lambda: DRIVER in drivers(c), 30)
        with running(c, pod(c, "later")):
            assert c.exec("later", "cat", "/secrets/user") == "admin"


def inodes(path):
    """What any write would change: every file's inode and time."""
    found = {}
    for folder, names, files in os.walk(path):
        for name in names + files:
            st = os.lstat(os.path.join(folder, name))
            found[os.path.join(folder, name)] = (st.st_ino, st.st_mtime_ns,
                                                 st.st_ctime_ns)
    return found


def published(c):
    """How many mounts of ours this kubelet has asked for, with success."""
    status, text = c.request("GET", f"/api/v1/nodes/{c.name}/proxy/metrics",
                             accept="text/plain")
    if status != 200:
        return 0
    return sum(int(float(line.rsplit(" ", 1)[1]))
               for line in text.splitlines() if
               line.startswith("storage_operation_duration_seconds_count") and
               'operation_name="volume_mount"' in line and
               f'volume_plugin="kubernetes.io/csi:{DRIVER}"' in line and
               'status="success"' in line)


def test_kubelet_restart_publishes_again_and_writes_nothing(c):
    names = [f"many{i}" for i in range(5)]
    with agent(c) as a, running(c, *[pod(c, n) for n in names]):
        paths = [volume(c, n) for n in names]
        before = [inodes(p) for p in paths]
        generations = [generation(a, p) for p in paths]
        c.kill("kubelet")
        c.run("kubelet")
        wait(lambda: published(c) >= len(names), 60, 0.2)
        assert [inodes(p) for p in paths] == before
        assert [generation(a, p) for p in paths] == generations
        assert all(len(mounts(p)) == 1 for p in paths)
        assert c.exec(names[0], "cat", "/secrets/user") == "admin"


def test_container_restarts_inside_its_pod(c):
    once = {"command": ["/bin/sh", "-c",
                        "cat /secrets/user; sleep 1; exit 1"]}
    with agent(c):
        c.apply(pod(c, "again", container=once))
        wait(lambda: c.exists("/api/v1/namespaces/default/pods/again") and any(
            s["restartCount"] >= 1 for s in c.pod("again")["status"].get(
                "containerStatuses", [])), 60)
        wait(lambda: c.logs("again").endswith("admin"))
        c.delete("pod", "again")


if __name__ == "__main__":
    main(globals())
