#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stores that hang, drip, lie, flood, redirect or break TLS.

Each gives a condition that names the store and what it answered, never what
it sent; nobody else is disturbed; no process grows.  One agent meets all of
them at once, beside a tenant whose store is well.  Those that take as long as
our patience only with LONG=1.
"""
import base64
import concurrent.futures
import contextlib
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (NODESEAL, Agent, documents, external_secret,  # noqa: E402
                      host_projection, main, read, wait)
from stores import FakeVault, certificates  # noqa: E402

TOKEN = "root"
MARK = "BODYMARK"	# in what a bad store sends; nobody may repeat it

LONG = os.environ.get("LONG") == "1"
# KiB of peak a process may reach, but not under a sanitizer.
PEAK = {"nodeseal-job": 64 << 10, "core": 16 << 10, "nodeseal": 8 << 10,
        "nodeseal-fsproj": 8 << 10}
SANITIZED = "asan" in os.environ.get("NODESEAL_BUILD", "")

# name: fault, what the error says, whether the store counts as away (so that
# its circuit opens).
FAULTS = {
    "short": ({"kind": "short"}, "cut short", True),
    "long": ({"kind": "long"}, "200: unexpected end", False),
    "huge": ({"kind": "huge"}, "larger than 4194304", False),
    "chunked": ({"kind": "huge", "chunked": True}, "larger than 4194304",
                False),
    "headers": ({"kind": "headers"}, "head is larger than", False),
    "informational": ({"kind": "informational"}, "head is larger than",
                      False),
    "elsewhere": ({"kind": "redirect", "to": "http://127.0.0.1:1/v1/x"},
                  "redirected to another origin", False),
    "in-circles": ({"kind": "redirect", "to": "/v1/secret/data/app"},
                   "redirected to itself", False),
    "empty": ({"kind": "empty"}, "the answer is empty", False),
    "truncated": ({"kind": "truncated"}, "200: unexpected end", False),
    "deep": ({"kind": "deep"}, "exceeded max depth", False),
    "wide": ({"kind": "wide"}, "Too long", False),
    "garbage": ({"kind": "garbage"}, "not HTTP", False),
    "reset": ({"kind": "reset"}, "the connection broke", True),
    "s403": ({"kind": "status", "status": 403}, ": 403", False),
    "s404": ({"kind": "status", "status": 404}, ": 404", False),
    "s429": ({"kind": "status", "status": 429, "retry_after": 2}, ": 429",
             False),
    "s500": ({"kind": "status", "status": 500}, ": 500", True),
    "s503": ({"kind": "status", "status": 503}, ": 503", True),
    "html": ({"kind": "status", "status": 502,
              "body": f"<html>{MARK}</html>"}, ": 502", True),
}
if LONG:
    FAULTS["hang"] = ({"kind": "hang"}, "timed out", True)
    FAULTS["drip"] = ({"kind": "drip"}, "timed out", True)


def store(name, url, ns, auth=None, **more):
    return json.dumps({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": name, "namespace": ns},
        "spec": {"provider": {"vault": {
            "server": url, "path": "secret", "auth": auth or {
                "tokenSecretRef": {"name": "login", "key": "token"}},
            **more}}}})


def login(ns, **data):
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {
        "name": "login", "namespace": ns},
        "stringData": data or {"token": TOKEN}})


def tenant(name, url, n=1, auth=None, interval="1s", **more):
    """A namespace with a store and ${n} ExternalSecrets, all claimed."""
    es = [f"{name}-{i}" for i in range(n)]
    return documents(
        store(name, url, name, auth, **more), login(name),
        *(external_secret(e, {"password": ("app", "password")}, store=name,
                          ns=name, interval=interval) for e in es),
        host_projection(name, es[:1], name, ns=name),
        *(host_projection(e, [e], f"more/{e}", ns=name) for e in es[1:]))


class Watch(threading.Thread):
    """The peak of what each kind of process takes, and how old the good
    tenant's value ever was."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent = agent
        self.over = threading.Event()
        self.peak = {}
        self.oldest = 0

    def look(self, pid):
        words = read(f"/proc/{pid}/cmdline").split(b"\0")
        program = os.path.basename(words[0]).decode()
        kind = "core" if b"_core" in words else program
        if kind not in PEAK:
            return
        with open(f"/proc/{pid}/status", encoding="utf-8") as f:
            kib = next(int(l.split()[1]) for l in f if l.startswith("VmHWM:"))
        self.peak[kind] = max(self.peak.get(kind, 0), kib)

    def run(self):
        while not self.over.wait(0.05):
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError, StopIteration):
                    self.look(pid)
            es = self.agent.es("good-0", "good")
            if es and es["lastSync"]:
                self.oldest = max(self.oldest, es["ageSeconds"])

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def check(self):
        print(f"# peak in KiB: {self.peak}; the good tenant's value was at "
              f"most {self.oldest} s old")
        assert self.oldest <= 3, self.oldest
        assert not self.too_large(), self.too_large()

    def too_large(self):
        return [k for k, kib in self.peak.items()
                if kib > PEAK[k] and not SANITIZED]


def circuits(agent):
    return {s["namespace"]: s["circuit"] for s in agent.status()["stores"]}


def errors(agent):
    """namespace -> the error of its first ExternalSecret."""
    return {e["namespace"]: e["error"]
            for e in agent.status()["externalSecrets"] if e["error"]}


def meet(agent, vault, faults, n=3):
    """A tenant for each fault, at an address of its own."""
    for i, (name, (fault, _, _)) in enumerate(faults.items(), 2):
        vault.control("fault", host=f"127.0.0.{i}", match="/app", **fault)
        agent.manifest(f"{name}.yaml", tenant(
            name, f"http://127.0.0.{i}:{vault.port}", n))


@contextlib.contextmanager
def world(faults, *flags):
    """A store with the faults, an agent with a good tenant, and a watch."""
    with FakeVault(hosts=len(faults) + 1) as vault, Agent(*flags) as a:
        vault.put("app", {"password": "first"})
        a.manifest("good.yaml", tenant("good", vault.url))
        a.ready()
        wait(lambda: os.path.exists(f"{a.host}/good/password"))
        with Watch(a) as w:
            yield vault, a, w


def undisturbed(vault, agent):
    """Publishes are fast, and a rotation arrives."""
    took = []
    for i in range(20):
        start = time.monotonic()
        path = agent.publish("good-0", pod=f"pod{i}", ns="good")
        took.append(time.monotonic() - start)
        assert read(f"{path}/password") == b"first"
    vault.put("app", {"password": "second"})
    wait(lambda: read(f"{agent.host}/good/password") == b"second", 4)
    print(f"# publish, client's start included: median "
          f"{sorted(took)[10] * 1e3:.0f} ms, at most {max(took) * 1e3:.0f} ms")
    assert sorted(took)[10] < 0.5 and max(took) < 2, took


def silent(agent, *more):
    """Nothing that a store sent is said anywhere."""
    for text in (agent.log(), json.dumps(agent.status()), *more):
        for word in (MARK, "smuggled", TOKEN + '"', "xxxxxxxx", "hhhhhhhh"):
            assert word not in text, word


def test_each_names_the_store_and_its_answer():
    with world(FAULTS) as (vault, a, w):
        meet(a, vault, FAULTS)
        wait(lambda: set(errors(a)) >= set(FAULTS), 30)
        undisturbed(vault, a)
        away = {n for n, f in FAULTS.items() if f[2]}
        ever = set()

        def opened():
            ever.update(n for n, c in circuits(a).items() if c != "closed")
            return ever >= away
        wait(opened, 45)
        said = errors(a)
        for name, (_, words, _) in FAULTS.items():
            assert words in said[name], said[name]
            assert f'SecretStore {name}: ' in said[name] or name == "wide", \
                said[name]
        assert ever == away, ever ^ away
        silent(a)
        w.check()


def test_size_is_bounded():
    large = {n: FAULTS[n] for n in ("huge", "chunked", "headers",
                                    "informational", "deep", "wide")}
    with world(large) as (vault, a, w):
        meet(a, vault, large, 1)
        wait(lambda: w.too_large() or set(errors(a)) >= set(large), 20)
        w.check()


def test_a_circuit_opens_and_closes():
    with world({"s503": FAULTS["s503"]}) as (vault, a, w):
        meet(a, vault, {"s503": FAULTS["s503"]}, 5)
        wait(lambda: circuits(a).get("s503") == "open", 20)
        before = len(vault.requests())
        seen = set()
        end = time.monotonic() + 6
        while time.monotonic() < end:
            seen.add(circuits(a).get("s503"))
            time.sleep(0.02)
        # Probes after 1, 2, 4 s, of three tries each; the good tenant's own.
        asked = [r for r in vault.requests()[before:] if r["status"] == 0]
        assert "open" in seen and "half-open" in seen, seen
        assert 2 <= len(asked) <= 9, len(asked)
        assert "503" in errors(a)["s503"]
        vault.control("fault", host="127.0.0.2")
        wait(lambda: circuits(a).get("s503") == "closed", 15)
        wait(lambda: not errors(a), 10)
        w.check()


def test_a_slow_store_delays_nobody():
    """One job at a time, and five tenants whose store hangs."""
    slow = {f"hang{i}": ({"kind": "hang"}, "timed out", True)
            for i in range(5)}
    with world(slow, "--max-jobs", "1") as (vault, a, w):
        meet(a, vault, slow, 2)
        time.sleep(3)
        undisturbed(vault, a)
        wait(lambda: a.log().count("gives its slot back") >= 5, 10)


def test_a_wrong_password_cuts_off_nobody():
    with world({}) as (vault, a, w):
        role, secret_id = vault.approle()
        auth = {"appRole": {"path": "approle", "roleId": role,
                            "secretRef": {"name": "login", "key": "id"}}}
        for ns, word in (("right", secret_id), ("wrong", "wr0ng-secret")):
            a.manifest(f"{ns}.yaml", documents(
                store(ns, vault.url, ns, auth), login(ns, id=word),
                external_secret("app", {"password": ("app", "password")},
                                store=ns, ns=ns, interval="1s"),
                host_projection(ns, ["app"], ns, ns=ns)))
        wait(lambda: "wrong" in errors(a))
        wait(lambda: os.path.exists(f"{a.host}/right/password"))
        time.sleep(3)
        assert errors(a).keys() == {"wrong"}, errors(a)
        assert "SecretStore wrong: " in errors(a)["wrong"], errors(a)
        assert ": 400" in errors(a)["wrong"], errors(a)
        assert set(circuits(a).values()) == {"closed"}, circuits(a)
        assert a.es("app", "right")["ageSeconds"] <= 2
        silent(a)
        assert "wr0ng" not in a.log() + json.dumps(a.status())
        w.check()


def ca_object(folder, ns, name):
    return json.dumps({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "ca", "namespace": ns},
        "data": {"ca.pem": read(f"{folder}/{name}.pem").decode()}})


def tls_tenants(folder, vaults):
    """Manifests by the name of what is broken."""
    def bundle(name):
        return {"caBundle": base64.b64encode(
            read(f"{folder}/{name}.pem")).decode()}
    return {name: tenant(name, vault.url, n=3, **bundle(ca))
            for name, (vault, ca) in vaults.items()}


def test_broken_tls():
    with certificates() as folder, contextlib.ExitStack() as stack:
        def server(**more):
            return stack.enter_context(FakeVault(tls=folder, **more))
        well = server()
        well.put("app", {"password": "p"})
        down = server()
        down.fault("redirect", to="http://127.0.0.1:1/v1/secret/data/app")
        manifests = tls_tenants(folder, {
            "expired": (server(cert="expired"), "ca"),
            "another-name": (server(cert="elsewhere"), "ca"),
            "another-ca": (well, "other-ca"),
            "to-http": (down, "ca"),
            "well": (well, "ca")})
        manifests["refers"] = documents(
            tenant("refers", well.url, n=3, caProvider={
                "type": "ConfigMap", "name": "ca", "key": "ca.pem"}),
            ca_object(folder, "refers", "other-ca"))
        noise = stack.enter_context(FakeVault(noise=True))
        manifests["noise"] = tenant(
            "noise", noise.url.replace("http:", "https:"), n=3)
        words = {"refers": "certificate", "expired": "certificate has expired",
                 "another-name": "certificate",
                 "another-ca": "certificate",
                 "to-http": "redirected to another origin",
                 "noise": "TLS hand-shake failed"}
        with world({}) as (_, a, w):
            for name, text in manifests.items():
                a.manifest(f"{name}.yaml", text)
            wait(lambda: set(errors(a)) >= set(words), 20)
            wait(lambda: os.path.exists(f"{a.host}/well/password"))
            for name, word in words.items():
                assert word in errors(a)[name], errors(a)[name]
                assert f"SecretStore {name}: " in errors(a)[name]
                assert not os.path.exists(f"{a.host}/{name}/password")
            assert "well" not in errors(a)
            # No connection came about: the store counts as away, for who has
            # named it so alone (three of these are one host).
            away = set(words) - {"to-http"}
            wait(lambda: away == {n for n, c in circuits(a).items()
                                  if c != "closed"}, 20)
            # Mended, at the store or in what it refers to: at once.
            a.manifest("another-ca.yaml", tls_tenants(
                folder, {"another-ca": (well, "ca")})["another-ca"])
            a.manifest("refers.yaml", manifests["refers"].replace(
                ca_object(folder, "refers", "other-ca"),
                ca_object(folder, "refers", "ca")))
            for name in ("another-ca", "refers"):
                wait(lambda n=name: os.path.exists(
                    f"{a.host}/{n}/password"), 1.5)
            wait(lambda: away - {"another-ca", "refers"} == {
                n for n, c in circuits(a).items() if c != "closed"}, 5)
            silent(a)
            w.check()


def render(text):
    start = time.monotonic()
    out = subprocess.run([NODESEAL, "render", "-f", "-", "-o", "json"],
                         input=text, text=True, capture_output=True,
                         check=False)
    return out.returncode, out.stdout, out.stderr, time.monotonic() - start


def test_render_says_it_and_goes_on():
    with FakeVault(hosts=len(FAULTS) + 1) as vault:
        vault.put("app", {"password": "p"})
        texts = {}
        for i, (name, (fault, _, _)) in enumerate(FAULTS.items(), 2):
            vault.control("fault", host=f"127.0.0.{i}", match="/app", **fault)
            texts[name] = documents(
                tenant(name, f"http://127.0.0.{i}:{vault.port}"),
                tenant("good", vault.url))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for name, (code, out, err, seconds) in zip(
                    texts, pool.map(render, texts.values())):
                assert code == 1, (name, code, err)
                (item,) = json.loads(out)["items"]
                assert item["metadata"]["name"] == "good-0", name
                assert f"{name}/{name}-0: SecretSyncedError: " in err, err
                assert FAULTS[name][1].split(": ")[-1] in err or \
                    name == "s404", (name, err)
                assert MARK not in err and "smuggled" not in err, err
                assert seconds < 45, (name, seconds)


if not LONG:	# the unit tests have the same by the clock
    del test_a_circuit_opens_and_closes

if __name__ == "__main__":
    main(globals())
