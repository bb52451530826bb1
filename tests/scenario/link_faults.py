#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nodeseal-link against an API server that is as bad as it may be: nothing is
lost, nobody is asked a thousand times, and core is told what it is."""
import json
import os
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
sys.path.insert(0, os.path.join(HERE, "../fake"))
from kube import status  # noqa: E402
from link import MIB, es, has, ready, server  # noqa: E402
from linkcore import LinkCore  # noqa: E402
from scenario import BUILD, main  # noqa: E402


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
            # A sanitizer keeps what was freed.
            assert "asan" in BUILD or c.memory() < before + 20 * MIB


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
    for code, headers in ((429, [("Retry-After", "1")]),
                          (500, ()), (503, ())):
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
        c.until(lambda: c.states[-1][0] == 1)
        assert "good" not in c.log() and "new" not in c.log()


def swap(folder, n, **files):
    """As the kubelet does it: a new folder, and ..data leads there."""
    os.makedirs(f"{folder}/..{n}")
    for name, text in files.items():
        name = name.replace("_", ".")
        with open(f"{folder}/..{n}/{name}", "w", encoding="utf-8") as f:
            f.write(text)
        if not os.path.lexists(f"{folder}/{name}"):
            os.symlink(f"..data/{name}", f"{folder}/{name}")
    os.symlink(f"..{n}", f"{folder}/..new")
    os.rename(f"{folder}/..new", f"{folder}/..data")


def test_account_of_a_pod():
    """Its token is swapped while the old one ends, its CA is missing for a
    while: what was read before stays good."""
    with server() as k, tempfile.TemporaryDirectory() as account:
        ca = k.ca.decode()
        swap(account, 1, token="good", ca_crt=ca, namespace="system")
        env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1",
               "KUBERNETES_SERVICE_PORT": str(k.port)}
        with LinkCore("", account=account, env=env) as c:
            ready(c)
            swap(account, 2, token="next", ca_crt=ca, namespace="system")
            k.tokens = {"next"}
            k.cut_watches("end")
            es(k, "after", quiet=True)
            c.until(lambda: ("ExternalSecret", "shop", "after") in c.objects,
                    20)
            assert c.until(lambda: c.states[-1][0] == 1)
            swap(account, 3, token="next", ca_crt="", namespace="system")
            time.sleep(2.5)
            k.tokens = {"last"}
            k.cut_watches("end")
            c.until(lambda: "going on with" in c.log(), 20)
            swap(account, 4, token="last", ca_crt=ca, namespace="system")
            es(k, "end", quiet=True)
            c.until(lambda: ("ExternalSecret", "shop", "end") in c.objects,
                    30)


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


if __name__ == "__main__":
    main(globals())
