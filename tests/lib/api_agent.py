# SPDX-License-Identifier: Apache-2.0
"""Agents of a real API server, as processes of the node: each with a real token
of the DaemonSet's account, bound to a pod on its Node, under the admission
policies and the tiers' roles.  For tests/cluster/api_*.py."""
import base64
import contextlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import cluster_node as node
import scenario
from openbao import free_port
from scenario import ROOT, Agent, documents, wait

DAEMONSET = os.path.join(ROOT, "daemonset")
SYSTEM = "nodeseal-system"
KUBELET = "/var/lib/kubelet"
TIERS = ("sync", "drift", "tokens", "store-secrets")
ES = "/apis/external-secrets.io/v1/namespaces"


def overlay(name):
    out = subprocess.run([node.peer("kubectl"), "kustomize",
                          f"{DAEMONSET}/overlays/{name}"], check=True,
                         capture_output=True, text=True).stdout
    return "---\n".join(d for d in out.split("---\n")
                        if "\nkind: DaemonSet\n" not in d)


def install(c, *tiers, ns="default"):
    """What kubectl apply -k does, but for the DaemonSet; each tier is bound in
    one namespace."""
    c.kubectl("apply", "--server-side", "-f", os.path.join(ROOT, "crds"))
    c.apply(overlay("files"))
    for t in tiers:
        c.apply(overlay(t))
        c.kubectl("apply", "-n", ns, "-f", f"{DAEMONSET}/bind/{t}.yaml")
    wait(lambda: c.exists(f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/"
                          "nodeseal"), 10)


def unbind(c, *tiers, ns="default"):
    for t in tiers:
        c.kubectl("delete", "-n", ns, "--ignore-not-found", "-f",
                  f"{DAEMONSET}/bind/{t}.yaml")


def other_node(c, name):
    """A Node without a machine: pods can be bound to it, and nothing runs."""
    c.apply({"apiVersion": "v1", "kind": "Node", "metadata": {
        "name": name, "labels": {"kubernetes.io/hostname": name}}})


def holder(c, name):
    """A pod of the agent's account on that Node, for its token; on a Node
    without a kubelet it never runs."""
    c.apply({"apiVersion": "v1", "kind": "Pod",
             "metadata": {"name": f"agent-{name}", "namespace": SYSTEM},
             "spec": {"serviceAccountName": "nodeseal", "nodeName": name,
                      "terminationGracePeriodSeconds": 1,
                      "tolerations": [{"operator": "Exists"}],
                      "containers": [{"name": "main", "image": c.busybox(),
                                      "imagePullPolicy": "Never"}]}})
    return c.pod(f"agent-{name}", SYSTEM)


class ApiAgent(Agent):
    """`nodeseal run` on a Node of that name, against the API server."""

    def __init__(self, c, name=None, *flags, csi=True):
        super().__init__(csi=csi, kubelet=KUBELET)
        self.c = c
        self.node = name or c.name
        self.port = free_port()
        pod = holder(c, self.node)
        self.token = c.token("nodeseal", SYSTEM, bound=(
            "Pod", pod["metadata"]["name"], pod["metadata"]["uid"]))
        self.kubeconfig = os.path.join(self.base, "kubeconfig")
        self.point_at(c.api_url)
        self.flags = [
            "--kubeconfig", self.kubeconfig, "--run", self.run, "--state",
            os.path.join(self.base, "state"), "--kubelet-dir", KUBELET,
            "--node", self.node, "--listen", f"127.0.0.1:{self.port}",
            "--log-level", "debug", "--csi" if csi else "--no-csi",
            "--claim-unclassed", *flags]

    def point_at(self, server):
        ca = base64.b64encode(self.c.ca().encode()).decode()
        text = json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c",
                                                   "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {
                "server": server, "certificate-authority-data": ca}}],
            "users": [{"name": "u", "user": {"token": self.token}}]})
        scenario.write(self.kubeconfig, text)
        os.chmod(self.kubeconfig, 0o644)
        os.chmod(self.base, 0o755)

    def child(self, name):
        """Process id of link or core, None when there is none."""
        mark = {"link": b"nodeseal-link", "core": b"_core"}[name]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError, IndexError):
                with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
                    ppid = int(f.read().rsplit(")", 1)[1].split()[1])
                words = scenario.read(f"/proc/{pid}/cmdline").split(b"\0")
                if ppid == self.process.pid and (
                        words[0].endswith(mark) or mark in words):
                    return int(pid)
        return None

    def http(self, path):
        """(code, text) of the metrics port."""
        try:
            with urllib.request.urlopen(
                    f"http://127.0.0.1:{self.port}{path}", timeout=5) as a:
                return a.status, a.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()


# --- objects -----------------------------------------------------------------

def put(c, *texts):
    c.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-",
              stdin=documents(*texts))


def external(c, name, ns="default"):
    return c.api("GET", f"{ES}/{ns}/externalsecrets/{name}")


def ready(c, name, ns="default"):
    """The Ready condition, None when there is none."""
    for cond in external(c, name, ns).get("status", {}).get("conditions", []):
        if cond["type"] == "Ready":
            return cond
    return None


def is_ready(c, name, ns="default"):
    return (ready(c, name, ns) or {}).get("status") == "True"


def secret(c, name, ns="default"):
    status, answer = c.request("GET", f"/api/v1/namespaces/{ns}/secrets/{name}")
    return answer if status == 200 else None


def user(c, name, secrets=(), env=None, node_name=None, ns="default",
         claim=None, **spec):
    """A pod that mounts each of the Secrets, and has one in its environment;
    claim: a volume of ours."""
    volumes = [{"name": s, "secret": {"secretName": s}} for s in secrets]
    if claim:
        volumes.append({"name": "ours", "csi": {
            "driver": "csi.nodeseal.dev", "readOnly": True,
            "volumeAttributes": {"externalSecret": claim}}})
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": ns},
            "spec": {"terminationGracePeriodSeconds": 1,
                     **({"nodeName": node_name} if node_name else {}),
                     "containers": [{
                         "name": "main", "image": c.busybox(),
                         "imagePullPolicy": "Never",
                         "envFrom": [{"secretRef": {"name": env}}]
                         if env else [],
                         "volumeMounts": [
                             {"name": v["name"], "mountPath":
                              f"/mnt/{v['name']}", "readOnly": True}
                             for v in volumes]}],
                     "volumes": volumes, **spec}}


@contextlib.contextmanager
def pods(c, *wanted, seconds=60):
    try:
        c.apply(*wanted)
        for p in wanted:
            c.wait_pod(p["metadata"]["name"], p["metadata"]["namespace"],
                       seconds)
        yield
    finally:
        for p in wanted:
            c.delete("pod", p["metadata"]["name"],
                     p["metadata"]["namespace"])


def steady(seconds, what):
    """It stays so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert what()
        time.sleep(0.2)
