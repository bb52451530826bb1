#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nodeseal-link against an API server that is as bad as it may be: what core
is told, what is asked of the server, and what a fault of the server costs."""
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
sys.path.insert(0, os.path.join(HERE, "../fake"))
from kube import FakeKube, status  # noqa: E402
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


def test_large_and_strange_objects():
    note = "x" * MIB
    with server() as k, LinkCore(k.kubeconfig()) as c:
        for i in range(12):
            es(k, f"big{i}", metadata={"annotations": {"note": note}},
               unknown={"deep": [[[{"a": None}]]]}, spec={
                   "data": [], "novel": {"field": 1.5}})
        # By the watch, and by a list whose page is too large at first.
        ready(c)
        for i in range(12):
            o = has(c, f"big{i}")
            assert len(o["metadata"]["annotations"]["note"]) == MIB
            assert o["spec"]["novel"] == {"field": 1.5} and "unknown" in o
    with server() as k:
        for i in range(12):
            es(k, f"big{i}", metadata={"annotations": {"note": note}})
        with LinkCore(k.kubeconfig()) as c:
            ready(c)
            assert len([o for o in c.objects if "big" in o[2]]) == 12
            limits = [int(r.query["limit"])
                      for r in k.asked("list", "externalsecrets")]
            assert limits[0] == 100 and limits[-1] < 12, limits
            assert not c.problems, c.problems


def test_answers_are_bounded():
    """40 MiB for a list, and an event without an end."""
    with server() as k:
        junk = json.dumps({"items": [], "x": "x" * (40 * MIB)}).encode()
        k.fault = lambda r: (200, (), junk) if r.plural == "secretstores" \
            and r.verb == "list" else None
        with LinkCore(k.kubeconfig()) as c:
            has(c, "db")
            c.until(lambda: c.problems or ("SecretStore", "shop") in c.listed)
            assert "larger than" in str(c.problems), c.problems
            k.fault = lambda r: None
            ready(c, 40)
            before = c.memory()
            for _, q in list(k.watchers):
                q.put(b"x" * (40 * MIB))
            es(k, "after", quiet=True)
            has(c, "after")
            assert c.memory() < before + 20 * MIB


def test_watch_cut_in_the_middle():
    with server() as k, LinkCore(k.kubeconfig()) as c:
        ready(c)
        k.forget()
        for i in range(5):
            half = json.dumps({"type": "ADDED", "object": k.item(
                k.asked()[0] if k.asked() else k.watchers[0][0],
                es(k, f"cut{i}", quiet=True))})
            k.cut_watches(half[:len(half) // 2].encode())
            has(c, f"cut{i}")
        # From where it was, not all over again.
        assert not k.asked("list"), k.asked("list")
        assert not c.problems, c.problems


def test_too_old():
    """410 as an answer and as an event: only differences are told."""
    for how in (None, "error-event"):
        with server() as k, LinkCore(k.kubeconfig()) as c:
            k.fault = lambda r, h=how: h if r.verb == "watch" else None
            es(k, "stays")
            es(k, "goes")
            ready(c)
            has(c, "goes")
            told, relists = c.count("OBJECTS"), c.count("RELIST")
            k.remove("externalsecrets", "goes", "shop", quiet=True)
            es(k, "comes", quiet=True)
            k.compact()
            k.cut_watches()
            c.until(lambda: ("ExternalSecret", "shop", "goes")
                    not in c.objects)
            has(c, "comes")
            assert has(c, "stays") and c.count("RELIST") == relists
            assert [f for f in c.names("OBJECTS")[told:]] == [
                ("ExternalSecret", "shop", ["comes"])], c.names("OBJECTS")


def test_server_is_away():
    with server() as k, LinkCore(k.kubeconfig()) as c:
        ready(c)
        k.stop()
        c.until(lambda: c.states[-1][0] == 0)
        assert "127.0.0.1" in c.states[-1][1] and c.states[-1][2]
        es(k, "meanwhile", quiet=True)
        k.remove("externalsecrets", "db", "shop", quiet=True)
        before, connections = c.cpu(), k.connections
        time.sleep(3)
        assert c.cpu() - before < 0.2, c.cpu() - before
        # Held objects stay; nobody is told of faults by the dozen.
        assert has(c, "s", "SecretStore") and not c.problems, c.problems
        k.forget()
        k.start()
        c.until(lambda: c.states[-1][0] == 1, 15)
        has(c, "meanwhile")
        c.until(lambda: ("ExternalSecret", "shop", "db") not in c.objects)
        assert k.connections - connections < 40


def limited(k, code, headers=()):
    """That answer to everything but watches for a while."""
    k.fault = lambda r: (code, headers, status(code, "Busy", "busy")) \
        if r.verb == "list" else None


def test_busy():
    for code, headers in ((429, [("Retry-After", "1")]), (500, ()),
                          (503, ()), (504, ())):
        with server() as k:
            limited(k, code, headers)
            with LinkCore(k.kubeconfig()) as c:
                time.sleep(2.5)
                asked = len(k.asked())
                # Five lists that nobody lets: later and later, by chance.
                assert 3 <= asked <= 45, (code, asked)
                assert not c.synced
                assert c.cpu() < 0.5
                k.fault = lambda r: None
                ready(c, 20)
                has(c, "db")


def test_watches_that_end_at_once():
    with server() as k, LinkCore(k.kubeconfig()) as c:
        ready(c)
        k.forget()
        k.fault = lambda r: "cut" if r.verb == "watch" else None
        k.cut_watches("end")
        time.sleep(3)
        assert len(k.asked("watch")) <= 60, len(k.asked("watch"))
        k.fault = lambda r: None
        es(k, "after", quiet=True)
        c.until(lambda: ("ExternalSecret", "shop", "after") in c.objects, 20)


def test_slow_list_delays_nobody():
    with server() as k:
        def slow(r):
            if r.plural == "secretstores" and r.verb == "list":
                time.sleep(2)
        k.fault = slow
        with LinkCore(k.kubeconfig()) as c:
            begin = time.monotonic()
            has(c, "db")
            assert time.monotonic() - begin < 1.5
            ready(c)


def test_refused():
    """The verb, the resource and what grants it; others go on."""
    with server() as k:
        def refuse(r):
            if r.plural in ("secretstores", "secrets"):
                return 403, (), status(403, "Forbidden", "no")
            return None
        k.fault = refuse
        with LinkCore(k.kubeconfig()) as c:
            has(c, "db")
            text = c.until(lambda: c.problems.get("objects/SecretStore/shop"))
            for word in ("list", "secretstores", "shop", "grant"):
                assert word in text, text
            c.watch("Secret", "shop", "db")
            c.until(lambda: ("Secret", "shop", "db") in c.names("UNWATCHED"))
            assert len(c.problems) == 1 and not c.synced, c.problems
            time.sleep(2)
            assert len(k.asked(plural="secretstores")) < 6
            k.fault = lambda r: None
            ready(c, 40)
            c.until(lambda: not c.problems)


def test_no_such_kind():
    with server(missing=["externalsecrets", "hostprojections"]) as k, \
            LinkCore(k.kubeconfig()) as c:
        text = c.until(lambda: c.problems.get("objects/ExternalSecret/shop"))
        assert "ExternalSecret" in text and "crds/" in text, text
        c.until(lambda: "objects/HostProjection/" in c.problems)
        time.sleep(0.5)
        assert not c.synced
        k.missing = {"hostprojections"}
        # Ours is not needed.
        ready(c, 40)
        has(c, "db")
        assert list(c.problems) == ["objects/HostProjection/"], c.problems


def test_token():
    """One that expired is read anew, and nobody asks by the thousand."""
    with server() as k, LinkCore(k.kubeconfig()) as c:
        ready(c)
        k.tokens = {"new"}
        k.forget()
        k.cut_watches("end")
        c.until(lambda: c.states[-1][0] == 0 and "401" in c.states[-1][2])
        time.sleep(2)
        assert len(k.asked()) < 60, len(k.asked())
        # As kubectl writes it: the same file.
        with open(c.file.name, "w", encoding="utf-8") as f:
            f.write(k.kubeconfig("new"))
        es(k, "after", quiet=True)
        c.until(lambda: ("ExternalSecret", "shop", "after") in c.objects, 30)
        assert c.states[-1][0] == 1
        assert "good" not in c.log() and "new" not in c.log()


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


def test_no_redirect():
    """Not even to itself."""
    with server() as k:
        k.fault = lambda r: (302, [("Location", f"https://localhost:{k.port}"
                                    "/api/v1/pods")], b"") \
            if r.plural == "externalsecrets" else None
        with LinkCore(k.kubeconfig()) as c:
            c.until(lambda: c.pods)
            time.sleep(1)
            assert not c.synced
            assert {r.path for r in k.asked(plural="pods")} == {"/api/v1/pods"}
            assert all("fieldSelector" in r.query
                       for r in k.asked(plural="pods"))


def test_core_is_gone():
    with server() as k, LinkCore(k.kubeconfig()) as c:
        ready(c)
        c.sock.shutdown(2)
        assert c.process.wait(2) == 0


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
