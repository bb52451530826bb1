#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The agent as its DaemonSet starts it: from the image, in two containers, one
privileged and one that may nothing.  Over a folder of manifests, in a ConfigMap."""
import contextlib
import json
import os
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
sys.path.insert(0, HERE)
from cluster import main, wait  # noqa: E402
from image import ARCHIVE  # noqa: E402
from pods import drivers, mounts, objects, pod, running, volume  # noqa: E402
from scenario import DRIVER, ROOT  # noqa: E402
from tiers import SYSTEM, overlay, without_daemonset  # noqa: E402

# A change of a ConfigMap reaches the pod with the next sync of the kubelet.
SYNC = 90


class ConfigMap:
    """manifest() as scenario.Agent has it, so that objects() serves both."""

    def __init__(self, c):
        self.c = c

    def manifest(self, name, text):
        self.c.apply({"apiVersion": "v1", "kind": "ConfigMap",
                      "metadata": {"name": "manifests", "namespace": SYSTEM},
                      "data": {name: text}})


def daemonset(c, text=None):
    """The DaemonSet of overlay files (or of what kustomize printed), over a
    folder instead of the API."""
    (text,) = [d for d in (text or overlay("files")).split("---\n")
               if "\nkind: DaemonSet\n" in d]
    ds = json.loads(c.kubectl("create", "--dry-run=client", "-o", "json",
                              "-f", "-", stdin=text))
    spec = ds["spec"]["template"]["spec"]
    spec["volumes"].append({"name": "manifests",
                            "configMap": {"name": "manifests"}})
    (agent,) = [x for x in spec["containers"] if x["name"] == "agent"]
    agent["args"] += ["--manifests=/manifests", "--csi", "--log-level=debug"]
    agent["volumeMounts"].append({"name": "manifests",
                                  "mountPath": "/manifests"})
    # Without an API server nothing listens.
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        del agent[probe]
    return ds


def agent_pod(c):
    """The name of the DaemonSet's pod, once it runs."""
    def running_pod():
        found = [p for p in c.api("GET", f"/api/v1/namespaces/{SYSTEM}/pods")[
            "items"] if not p["metadata"].get("deletionTimestamp") and
            p["metadata"]["labels"].get("app.kubernetes.io/name") ==
            "nodeseal"]
        return found and c.pod_is(found[0]["metadata"]["name"], SYSTEM) and \
            found[0]["metadata"]["name"]
    try:
        return wait(running_pod, 60, 0.1)
    except AssertionError:
        print("# " + c.kubectl("describe", "pods", "-n",
                               SYSTEM).replace("\n", "\n# "))
        raise


def status(c):
    out = c.exec(agent_pod(c), "-c", "agent", "--",
                 "/usr/local/bin/nodeseal", "status", "-o", "json", ns=SYSTEM,
                 check=False)
    return json.loads(out.stdout) if out.stdout else None


@contextlib.contextmanager
def installed(c):
    c.import_image(ARCHIVE)
    c.kubectl("apply", "--server-side", "-f",
              os.path.join(HERE, "../../crds"))
    c.apply(without_daemonset(overlay("files")))
    objects(ConfigMap(c))
    c.apply(daemonset(c))
    try:
        wait(lambda: DRIVER in drivers(c), 60)
        yield
    except BaseException:
        for container in ("fsproj", "agent"):
            print("# " + c.logs("ds/nodeseal", SYSTEM, container).replace(
                "\n", "\n# "))
        raise


def test_two_containers_serve_pods(c):
    with installed(c), running(c, pod(c, "reader")):
        assert c.exec("reader", "cat", "/secrets/user") == "admin"
        s = status(c)
        assert s["ready"] and s["node"] == "node1", s
        # A sandbox that lacks nothing, under the runtime's own profile.
        print(f"# degraded: {s['degraded']}, {s['memoryProtection']}")
        assert s["degraded"] == [], s
        assert s["memoryProtection"] == "full", s
        assert [v["pod"] for v in s["volumes"]] == ["reader"], s


def test_agent_pod_is_replaced_while_pods_run(c):
    with installed(c), running(c, pod(c, "steady")):
        path = volume(c, "steady")
        old = agent_pod(c)
        c.delete("pod", old, SYSTEM)
        assert c.exec("steady", "cat", "/secrets/user") == "admin"
        assert len(mounts(path)) == 1
        new = agent_pod(c)
        assert new != old
        wait(lambda: (status(c) or {}).get("volumes"), 30)
        objects(ConfigMap(c), {"user": "root", "password": "n3w"})
        wait(lambda: c.exec("steady", "cat", "/secrets/user") == "root",
             SYNC, 0.5)
        with running(c, pod(c, "later")):
            assert c.exec("later", "cat", "/secrets/password") == "n3w"
    wait(lambda: not mounts(path), 10)


def test_under_its_own_seccomp_profile(c):
    """As components/seccomp puts it: everything works, nothing is missing."""
    place = "/var/lib/kubelet/seccomp/nodeseal"
    os.makedirs(place, exist_ok=True)
    shutil.copy(os.path.join(ROOT, "daemonset/seccomp/agent.json"), place)
    with installed(c):
        with tempfile.TemporaryDirectory(dir="/tmp") as d:
            to = os.path.relpath(f"{ROOT}/daemonset", d)
            with open(f"{d}/kustomization.yaml", "w", encoding="utf-8") as f:
                f.write(f"resources: [{to}/overlays/files]\n"
                        f"components: [{to}/components/seccomp]\n")
            text = c.kubectl("kustomize", d)
        old = agent_pod(c)
        c.apply(daemonset(c, text))
        wait(lambda: not c.exists(f"/api/v1/namespaces/{SYSTEM}/pods/{old}"),
             60)
        profile = [x for x in c.pod(agent_pod(c), SYSTEM)["spec"][
            "containers"] if x["name"] == "agent"][0]["securityContext"][
                "seccompProfile"]
        assert profile["type"] == "Localhost", profile
        wait(lambda: (status(c) or {}).get("ready"), 60)
        with running(c, pod(c, "confined")):
            assert c.exec("confined", "cat", "/secrets/user") == "admin"
        s = status(c)
        assert s["degraded"] == [] and s["memoryProtection"] == "full", s


def test_what_the_containers_hold(c):
    """The privileged one has no token; the other no path of the kubelet."""
    with installed(c):
        p = c.pod(agent_pod(c), SYSTEM)
        by_name = {x["name"]: x for x in p["spec"]["containers"]}
        paths = {n: {m["mountPath"] for m in x["volumeMounts"]}
                 for n, x in by_name.items()}
        assert not any("secrets/kubernetes.io" in m for m in paths["fsproj"])
        assert not any("kubelet" in m for m in paths["agent"]), paths
        limits = by_name["agent"]["securityContext"]
        assert limits["capabilities"] == {"drop": ["ALL"]} and \
            limits["readOnlyRootFilesystem"] and limits["runAsNonRoot"]
        # What is made for the agent on the node is nobody else's.
        for path in ("/run/nodeseal/agent", "/var/lib/nodeseal",
                     "/var/lib/nodeseal-witness"):
            st = os.stat(path)
            assert st.st_uid == 65532 and st.st_mode & 0o777 == 0o700, path


if __name__ == "__main__":
    main(globals())
