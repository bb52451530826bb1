#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nodeseal-link and a real API server, with the agent's own token and rights:
what it asks for, what it costs, and that nothing is lost when the server or its
store goes away.  tests/lib/linkcore.py is core here."""
import base64
import concurrent.futures
import contextlib
import http.client
import json
import os
import ssl
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from cluster import IP, PORT, main, wait  # noqa: E402
from linkcore import LinkCore  # noqa: E402
from scenario import ROOT  # noqa: E402
from tiers import SYSTEM, overlay, without_daemonset  # noqa: E402

AGENT = f"system:serviceaccount:{SYSTEM}:nodeseal"
MIB = 1 << 20
FOREIGN_SECRETS, FOREIGN_PODS = 5000, 2000


def kubeconfig(c, token):
    return json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {
            "server": c.api_url, "certificate-authority-data":
                base64.b64encode(c.ca().encode()).decode()}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "c",
                                               "user": "u"}}]})


@contextlib.contextmanager
def linked(c, **more):
    uid = c.api("GET", f"/api/v1/nodes/{c.name}")["metadata"]["uid"]
    token = c.token("nodeseal", SYSTEM, bound=("Node", c.name, uid))
    with LinkCore(kubeconfig(c, token), node=c.name, **more) as k:
        yield k


def install_crds(c):
    c.kubectl("apply", "--server-side", "-f", os.path.join(ROOT, "crds"))
    c.kubectl("wait", "--for=condition=Established", "crd", "--all",
              "--timeout=30s")


def external_secret(name, ns):
    return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
            "metadata": {"name": name, "namespace": ns},
            "spec": {"secretStoreRef": {"name": "store"},
                     "data": [{"secretKey": "k",
                               "remoteRef": {"key": name}}]}}


def store(ns):
    return {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
            "metadata": {"name": "store", "namespace": ns},
            "spec": {"provider": {"fake": {"data": []}}}}


def pod(name, ns, node, secret="db"):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": ns},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0,
                     "automountServiceAccountToken": False,
                     "containers": [{
                         "name": "c", "image": "docker.io/local/none:1",
                         "imagePullPolicy": "Never", "envFrom": [
                             {"secretRef": {"name": secret}}]}]}}


class Many:
    """Requests by the thousand, as admin, over a connection a thread."""

    def __init__(self, c):
        self.c, self.local = c, threading.local()

    def connection(self):
        if not hasattr(self.local, "c"):
            context = ssl.create_default_context(
                cafile=f"{self.c.pki}/ca.crt")
            context.load_cert_chain(f"{self.c.pki}/admin.crt",
                                    f"{self.c.pki}/admin.key")
            self.local.c = http.client.HTTPSConnection(
                IP, PORT, context=context, timeout=60)
        return self.local.c

    def post(self, path, body):
        c = self.connection()
        c.request("POST", path, json.dumps(body),
                  {"Content-Type": "application/json"})
        answer = c.getresponse()
        answer.read()
        assert answer.status == 201, answer.status

    def all(self, path, bodies):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda b: self.post(path, b), bodies))


def connections(k):
    """Open TCP connections of nodeseal-link."""
    inodes = set()
    for fd in os.listdir(f"/proc/{k.process.pid}/fd"):
        with contextlib.suppress(OSError):
            inodes.add(os.readlink(f"/proc/{k.process.pid}/fd/{fd}"))
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return [r for r in rows if f"socket:[{r[9]}]" in inodes and r[3] == "01"]


def watches(c, since):
    return [e for e in c.audit(AGENT)[since:] if e["verb"] == "watch"]


def test_kinds_come_late(c):
    """Without CRDs it waits and says so; nothing has to be started again."""
    c.apply(without_daemonset(overlay("files")))
    c.namespace("shop")
    c.api("POST", "/api/v1/namespaces/shop/pods", pod("web", "shop", c.name))
    with linked(c) as k:
        text = k.until(lambda: k.problems.get("objects/ExternalSecret/shop"))
        assert "crds/" in text, text
        assert not k.synced
        install_crds(c)
        c.apply(store("shop"), external_secret("db", "shop"))
        k.until(lambda: k.synced, 60)
        k.until(lambda: ("ExternalSecret", "shop", "db") in k.objects)
        wait(lambda: not k.problems, 30)


def test_one_connection(c):
    """Everything by watches over one connection, and what is allowed alone."""
    since = len(c.audit(AGENT))
    with linked(c) as k:
        k.until(lambda: k.synced, 20)
        assert k.objects["SecretStore", "shop", "store"]
        assert k.pods["shop", "web"]["secrets"] == ["db"]
        assert k.pods["shop", "web"]["waits"] == 1
        # Labels and uid of our own Node, by its token and by RBAC.
        k.until(lambda: k.node and k.node["has_labels"])
        assert f"kubernetes.io/hostname={c.name}" in k.node["labels"], k.node
        assert k.node["uid"] and k.node["minor"] >= 30, k.node
        c.apply(external_secret("two", "shop"))
        k.until(lambda: ("ExternalSecret", "shop", "two") in k.objects)
        c.kubectl("delete", "externalsecret", "two", "-n", "shop")
        k.until(lambda: ("ExternalSecret", "shop", "two") not in k.objects)
        assert len(connections(k)) == 1, connections(k)
        c.kubectl("patch", "externalsecret", "db", "-n", "shop",
                  "--subresource=status", "--type=merge", "-p",
                  '{"status":{"refreshTime":"2026-11-24T00:00:00Z",'
                  '"conditions":[{"type":"Ready","status":"True"}]}}')
        k.until(lambda: k.leases["shop", "db"]["ready"] == 1)
        print(f"# private memory: {k.memory() / MIB:.1f} MiB")
    asked = {(e["verb"], e["objectRef"]["resource"])
             for e in c.audit(AGENT)[since:] if "objectRef" in e}
    assert not [a for a in asked if a[1] in ("secrets", "configmaps")], asked


def test_many_namespaces(c):
    """More watches than one connection of HTTP/2 may carry."""
    with linked(c) as k:
        k.until(lambda: k.synced, 20)
        before = k.memory()
        for i in range(80):
            k.want(f"n{i}")
        k.until(lambda: len([x for x in k.listed if x[0] in (
            "ExternalSecret", "SecretStore")]) >= 160, 30)
        since = len(c.audit(AGENT))
        c.namespace("n79")
        c.apply(external_secret("x", "n79"))
        k.until(lambda: ("ExternalSecret", "n79", "x") in k.objects)
        time.sleep(1)
        assert len(connections(k)) <= 4, len(connections(k))
        # They stay where they are.
        assert len(c.audit(AGENT)) - since < 200
        print(f"# 160 watches: {len(connections(k))} connections, "
              f"{(k.memory() - before) / 160 / 1024:.0f} KiB each")


def test_secrets_by_metadata_where_a_tier_lets(c):
    c.apply(without_daemonset(overlay("drift")))
    c.kubectl("create", "rolebinding", "nodeseal-drift", "-n", "shop",
              "--clusterrole=nodeseal-drift",
              f"--serviceaccount={SYSTEM}:nodeseal")
    c.kubectl("create", "secret", "generic", "db", "-n", "shop",
              "--from-literal=password=hunter2")
    c.kubectl("label", "secret", "db", "-n", "shop",
              "nodeseal.dev/managed=true")
    with linked(c) as k:
        k.until(lambda: k.synced, 20)
        k.watch("Secret", "shop", "")
        m = k.until(lambda: k.metas.get(("Secret", "shop", "db")))
        assert m["exists"] and m["managed"] and m["uid"], m
        c.kubectl("annotate", "secret", "db", "-n", "shop",
                  "reconcile.external-secrets.io/data-hash=abc")
        k.until(lambda: k.metas["Secret", "shop", "db"]["hash"] == "abc")
        # Not bound there.
        k.watch("Secret", "default", "")
        k.until(lambda: ("Secret", "default", "") in k.names("UNWATCHED"), 20)
        assert not k.problems, k.problems
        with open(f"/proc/{k.process.pid}/mem", "rb", 0) as mem, \
                open(f"/proc/{k.process.pid}/maps", encoding="utf-8") as maps:
            for line in maps:
                if " rw" not in line or "[v" in line:
                    continue
                lo, hi = (int(x, 16) for x in line.split()[0].split("-"))
                mem.seek(lo)
                assert b"aHVudGVyMg" not in mem.read(hi - lo), line


def test_refused(c):
    """What RBAC takes away is said, with verb and resource; and comes back."""
    def rules(verbs):
        role = c.api("GET", ROLE)
        for rule in role["rules"]:
            if "secretstores" in rule["resources"]:
                rule["verbs"] = verbs
        c.api("PUT", ROLE, role)
    with linked(c) as k:
        k.until(lambda: k.synced, 20)
    rules(["get"])
    try:
        with linked(c) as k:
            text = k.until(lambda: k.problems.get(
                "objects/SecretStore/shop"), 20)
            assert "list secretstores in namespace shop" in text, text
            assert "daemonset/" in text, text
            rules(["get", "list", "watch"])
            k.until(lambda: k.synced, 60)
            wait(lambda: not k.problems, 30)
    finally:
        rules(["get", "list", "watch"])


ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/nodeseal-files"


def test_server_and_store_away(c):
    """The API server is started again; etcd is gone for a while."""
    with linked(c) as k:
        k.until(lambda: k.synced, 20)
        cpu = k.cpu()
        c.kill("kube-apiserver")
        k.until(lambda: k.states[-1][0] == 0, 10)
        held = dict(k.objects)
        time.sleep(3)
        c.run("kube-apiserver")
        wait(lambda: c.probe("/readyz"), 120, 0.2)
        k.until(lambda: k.states[-1][0] == 1, 60)
        c.apply(external_secret("after", "shop"))
        k.until(lambda: ("ExternalSecret", "shop", "after") in k.objects, 40)
        assert all(k.objects.get(key) == o for key, o in held.items()
                   if key[0] != "HostProjection")
        c.kill("etcd")
        time.sleep(20)
        c.run("etcd")
        wait(lambda: c.probe("/readyz"), 120, 0.2)
        c.apply(external_secret("later", "shop"))
        k.until(lambda: ("ExternalSecret", "shop", "later") in k.objects, 60)
        print(f"# processor time: {k.cpu() - cpu:.2f} s")
        assert k.cpu() - cpu < 2


def test_foreign_objects_cost_nothing(c):
    """5,000 ExternalSecrets elsewhere and 2,000 pods of other nodes."""
    with linked(c) as k:
        k.until(lambda: k.synced, 20)
        time.sleep(1)
        before, watched = k.memory(), len(connections(k))
    since = len(c.audit(AGENT))
    with linked(c) as k:
        k.until(lambda: k.synced, 20)
        time.sleep(1)
        alone = len(watches(c, since))
    many = Many(c)
    c.namespace("far")
    c.apply({"apiVersion": "v1", "kind": "Node",
             "metadata": {"name": "elsewhere"}}, store("far"))
    begin = time.monotonic()
    with linked(c) as k:
        k.until(lambda: k.synced, 20)
        frames = len(k.frames)
        many.all("/apis/external-secrets.io/v1/namespaces/far/externalsecrets",
                 [external_secret(f"e{i}", "far")
                  for i in range(FOREIGN_SECRETS)])
        many.all("/api/v1/namespaces/far/pods",
                 [pod(f"p{i}", "far", "elsewhere")
                  for i in range(FOREIGN_PODS)])
        # Not a word of them, as they came.
        new = [f for f in k.frames[frames:] if f[0] not in ("NODE", "LEASE")]
        assert not new, new[:5]
        during = k.memory()
    print(f"# made in {time.monotonic() - begin:.0f} s")
    since = len(c.audit(AGENT))
    with linked(c) as k:
        start = time.monotonic()
        k.until(lambda: k.synced, 30)
        took = time.monotonic() - start
        time.sleep(1)
        after = k.memory()
        assert len(watches(c, since)) == alone, watches(c, since)
        assert len(connections(k)) == watched
        assert not [p for p in k.pods if p[0] == "far"]
    print(f"# memory {before / MIB:.2f}, {during / MIB:.2f} while they came, "
          f"{after / MIB:.2f} MiB with them; synced in {took * 1000:.0f} ms")
    assert after < before + MIB // 2 and during < before + MIB // 2
    c.kubectl("delete", "node", "elsewhere")
    c.kubectl("delete", "namespace", "far", "--wait=false")


if __name__ == "__main__":
    main(globals())
