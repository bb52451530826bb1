#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nodeseal-link and a fake API server: what core is told, and what is asked."""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
sys.path.insert(0, os.path.join(HERE, "../fake"))
from kube import FakeKube  # noqa: E402
from linkcore import LinkCore  # noqa: E402
from scenario import main, wait  # noqa: E402

MIB = 1 << 20


def pod(k, name, ns="shop", node="node1", secret="db", uid=None, phase="Running",
        **more):
    meta = {"metadata": {"uid": uid}} if uid else {}
    k.put("pods", name, ns, spec={"nodeName": node, "containers": [
        {"name": "c", "envFrom": [{"secretRef": {"name": secret}}]}], **more},
          status={"phase": phase}, **meta)


def es(k, name, ns="shop", spec=None, **more):
    return k.put("externalsecrets", name, ns, spec=spec or {
        "data": [{"secretKey": name, "remoteRef": {"key": name}}]}, **more)


def has(c, name, kind="ExternalSecret", ns="shop"):
    return c.until(lambda: c.objects.get((kind, ns, name)))


def server(**more):
    """One with a pod here and an ExternalSecret of its namespace."""
    k = FakeKube(**more)
    pod(k, "web")
    es(k, "db")
    k.put("secretstores", "s", "shop", spec={"provider": {"fake": {}}})
    return k


def ready(c, seconds=10):
    c.until(lambda: c.synced, seconds)


def test_core_is_told():
    with server() as k, LinkCore(k.kubeconfig()) as c:
        k.put("clustersecretstores", "css", spec={"provider": {}})
        ready(c)
        assert c.listed == {("Pod", ""), ("ClusterSecretStore", ""),
                            ("HostProjection", ""), ("ExternalSecret", "shop"),
                            ("SecretStore", "shop")}, c.listed
        assert c.states[-1][0] == 1 and c.sealed
        assert has(c, "s", "SecretStore") and \
            has(c, "css", "ClusterSecretStore", "")
        # What is new, what changed, what is gone.
        es(k, "two")
        has(c, "two")
        es(k, "two", spec={"data": []})
        c.until(lambda: not c.objects["ExternalSecret", "shop", "two"]
                ["spec"]["data"])
        k.remove("externalsecrets", "two", "shop")
        c.until(lambda: ("ExternalSecret", "shop", "two") not in c.objects)
        # What a pod is, and that it is over.
        assert c.pods["shop", "web"]["secrets"] == ["db"]
        pod(k, "web", phase="Succeeded")
        c.until(lambda: c.pods["shop", "web"]["over"])


def test_a_status_is_no_change():
    with server() as k, LinkCore(k.kubeconfig()) as c:
        ready(c)
        before = has(c, "db")
        assert "resourceVersion" not in before["metadata"]
        told = c.count("OBJECTS")
        spec = {"data": before["spec"]["data"]}
        for i in range(3):
            es(k, "db", spec=spec, metadata={"managedFields": [{"n": i}]},
               status={"refreshTime": f"2026-11-24T00:00:0{i}Z",
                       "syncedResourceVersion": f"1-{i}",
                       "binding": {"name": "db"}, "conditions": [
                           {"type": "Ready", "status": "False"}]})
            lease = c.until(lambda n=i: c.leases.get(("shop", "db")) and
                            c.leases["shop", "db"]["synced"] == f"1-{n}" and
                            c.leases["shop", "db"])
        assert lease["ready"] == 0 and lease["binding"] == "db", lease
        assert lease["refreshed_at"] == 1795478402000, lease
        assert c.count("OBJECTS") == told
        # The same again is nothing at all.
        leases = c.count("LEASE")
        es(k, "db", spec=spec, status=k.objects["externalsecrets", "shop",
                                                "db"]["status"])
        time.sleep(0.3)
        assert c.count("LEASE") == leases and c.count("OBJECTS") == told


def test_only_what_is_claimed_here():
    """Other namespaces and other nodes' pods are not asked for."""
    with server() as k, LinkCore(k.kubeconfig()) as c:
        for i in range(2000):
            pod(k, f"p{i}", "far", node="node2")
            es(k, f"e{i}", "far")
        pod(k, "plain", "quiet", secret="")
        ready(c)
        time.sleep(0.3)
        spaces = {r.ns for r in k.asked() if r.plural in (
            "externalsecrets", "secretstores", "fakes", "passwords", "uuids")}
        assert spaces == {"shop"}, spaces
        assert all(r.query["fieldSelector"] == "spec.nodeName=node1"
                   for r in k.asked(plural="pods"))
        assert not k.asked(plural="namespaces")
        assert not k.asked(plural="secrets")
        # Generators of a kind, once something refers to one.
        assert not k.asked(plural="fakes") and not k.asked(plural="uuids")
        k.put("fakes", "f", "shop", spec={"data": {}})
        es(k, "gen", spec={"dataFrom": [{"sourceRef": {"generatorRef": {
            "kind": "Fake", "name": "f"}}}]})
        has(c, "f", "Fake")
        assert not k.asked(plural="uuids")
        # What core wants for itself.
        es(k, "host", "edge")
        c.want("edge")
        has(c, "host", ns="edge")


def test_labels_of_namespaces_when_asked():
    with server() as k, LinkCore(k.kubeconfig()) as c:
        k.put("namespaces", "shop", metadata={"labels": {"team": "a"}})
        k.put("namespaces", "other", metadata={"labels": {"team": "b"}})
        ready(c)
        assert not k.asked(plural="namespaces")
        k.put("clustersecretstores", "css", spec={"conditions": [
            {"namespaceSelector": {"matchLabels": {"team": "a"}}}]})
        found = has(c, "shop", "Namespace", "")
        assert found["metadata"]["labels"] == {"team": "a"}, found
        c.until(lambda: ("Namespace", "") in c.listed)
        assert ("Namespace", "", "other") not in c.objects
        assert all("PartialObjectMetadata" in r.accept
                   for r in k.asked(plural="namespaces"))


def test_namespace_without_a_claim_is_left():
    with server() as k, LinkCore(k.kubeconfig()) as c:
        ready(c)
        k.remove("pods", "web", "shop")
        c.until(lambda: not c.pods)
        # A pod that comes again soon finds everything as it was.
        pod(k, "web", uid="second")
        c.until(lambda: c.pods)
        k.remove("pods", "web", "shop")
        assert len(k.asked("list", "externalsecrets")) == 1
        c.until(lambda: ("ExternalSecret", "shop", "") in
                c.names("UNWATCHED"), 45)
        wait(lambda: not any(r.ns == "shop" for r, _ in k.watchers), 5)


def test_a_pod_under_an_old_name():
    with server() as k, LinkCore(k.kubeconfig()) as c:
        ready(c)
        k.remove("pods", "web", "shop", quiet=True)
        pod(k, "web", uid="second")
        c.until(lambda: c.pods["shop", "web"]["uid"] == "second")
        assert ("shop", "web", "uid-pods-shop-web") in c.names("POD_GONE")


def test_metadata_alone_of_secrets():
    with server() as k, LinkCore(k.kubeconfig()) as c:
        labels = {"nodeseal.dev/managed": "1"}
        k.put("secrets", "db", "shop", data={"password": "aHVudGVyMg=="},
              metadata={"labels": labels, "annotations": {
                  "reconcile.external-secrets.io/data-hash": "abc"},
                  "ownerReferences": [{"uid": "other"},
                                      {"uid": "mine", "controller": True}]})
        ready(c)
        c.watch("Secret", "shop", "db")
        c.watch("Secret", "shop", "gone")
        c.watch("ConfigMap", "shop", "map")
        c.watch("Secret", "edge", "")
        m = c.until(lambda: c.metas.get(("Secret", "shop", "db")))
        assert (m["exists"], m["managed"], m["hash"], m["owner"]) == (
            1, 1, "abc", "mine"), m
        m = c.until(lambda: c.metas.get(("Secret", "shop", "gone")))
        assert m["exists"] == 0 and m["uid"] == "", m
        k.put("secrets", "new", "edge", metadata={"labels": labels})
        k.put("secrets", "foreign", "edge")
        c.until(lambda: c.metas.get(("Secret", "edge", "new")))
        k.remove("secrets", "new", "edge")
        c.until(lambda: not c.metas["Secret", "edge", "new"]["exists"])
        assert ("Secret", "edge", "foreign") not in c.metas
        # No longer.
        c.watch("Secret", "shop", "db", on=0)
        wait(lambda: not any(r.query.get("fieldSelector") == "metadata.name=db"
                             for r, _ in k.watchers if r.plural == "secrets"),
             5)
        assert all("PartialObjectMetadata" in r.accept
                   for r in k.asked() if r.plural in ("secrets", "configmaps"))


def test_pages():
    with server() as k:
        for i in range(250):
            es(k, f"e{i:03}")
        expired = []
        # The snapshot of the first pages is compacted away once.
        k.fault = lambda r: "expire" if r.plural == "externalsecrets" and \
            "continue" in r.query and not expired and \
            expired.append(r) is None else None
        with LinkCore(k.kubeconfig()) as c:
            ready(c)
            assert expired
            assert sum(kind == "ExternalSecret" for kind, _, _ in
                       c.objects) == 251
            lists = k.asked("list", "externalsecrets")
            assert len(lists) == 5, lists
            assert all(r.query["limit"] == "100" for r in lists)
            # One file of objects for a list, not one an object.
            assert c.count("OBJECTS") <= 6, c.names("OBJECTS")


def test_names_and_certificates():
    """A name that is looked up, in the sandbox; a client certificate; a
    certificate for another name; one that nobody vouches for."""
    with server() as k:
        with LinkCore(k.kubeconfig(host="localhost")) as c:
            ready(c)
        with LinkCore(k.kubeconfig(**k.certificate())) as c:
            ready(c)
            k.forget()
            c.want("edge")
            c.until(lambda: ("SecretStore", "edge") in c.listed)
        with LinkCore(k.kubeconfig(cluster={
                "tls-server-name": "localhost"})) as c:
            ready(c)
        with LinkCore(k.kubeconfig(cluster={
                "tls-server-name": "other.example"})) as c:
            c.until(lambda: c.states and "certificate" in c.states[-1][2])
            assert not c.synced and not c.pods
        with LinkCore(k.kubeconfig(cluster={
                "certificate-authority-data": None})) as c:
            c.until(lambda: c.states and "certificate" in c.states[-1][2])


def test_rights():
    """What the kernel says of the process."""
    with server() as k, LinkCore(k.kubeconfig()) as c:
        ready(c)
        with open(f"/proc/{c.process.pid}/status", encoding="utf-8") as f:
            said = dict(line.split(":\t", 1) for line in f)
        assert said["NoNewPrivs"].strip() == "1"
        assert said["Seccomp"].strip() == "2" or "asan" in str(c.args)
        assert int(said["CapEff"], 16) == int(said["CapBnd"], 16) == 0
        with open(f"/proc/{c.process.pid}/limits", encoding="utf-8") as f:
            (core,) = [line for line in f if line.startswith("Max core")]
        assert core.split()[4:6] == ["0", "0"], core


def test_idle():
    with server() as k, LinkCore(k.kubeconfig()) as c:
        ready(c)
        time.sleep(0.5)
        k.forget()
        frames, cpu = len(c.frames), c.cpu()
        time.sleep(4)
        assert not k.asked(), k.asked()
        assert len(c.frames) == frames
        assert c.cpu() - cpu <= 0.05
        print(f"# private memory at rest: {c.memory() / MIB:.1f} MiB")


if __name__ == "__main__":
    main(globals())
