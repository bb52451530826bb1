#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""At rest no process of ours holds a value, a token or a credential.

1,000 values in 100 ExternalSecrets and as many volumes, rotated, refused and
failed in every way; then an external scanner reads the memory of all our
processes (tests/tools/memscan.c), and what they print is searched as well.
The scanner must find the same markers where they are: in the store's memory.
"""
import base64
import json
import os
import random
import string
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (BUILD, NODESEAL, Agent, documents,  # noqa: E402
                      external_secret, host_projection, main, read, wait)
from stores import FakeVault  # noqa: E402

ITEMS, KEYS = 100, 10
LETTERS = string.ascii_letters + string.digits


class Markers:
    """Random texts that JSON has to escape."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.all = []

    def text(self, n):
        return "".join(self.rng.choices(LETTERS, k=n))

    def new(self):
        self.all.append(f'{self.text(6)}"{self.text(9)}\\{self.text(8)}')
        return self.all[-1]

    def plain(self, text):
        self.all.append(text)
        return text


def scan(markers, path, pids):
    """The scanner's hits, and what it read."""
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(markers.all) + "\n")
    out = subprocess.run([os.path.join(BUILD, "test/tools/memscan"), path,
                          *map(str, pids)], capture_output=True, text=True,
                         check=False)
    os.unlink(path)
    assert out.returncode in (0, 1), out.stderr
    lines = out.stdout.splitlines()
    return lines[:-1], lines[-1]


def fill(vault, markers):
    """A new version of every value."""
    for i in range(ITEMS):
        vault.put(f"app/{i}", {f"k{k}": markers.new() for k in range(KEYS)})


def store(vault, markers):
    role, secret_id = "shop-role", markers.plain(markers.text(30))
    vault.login("approle", role_id=role, secret_id=secret_id)
    return documents(json.dumps({
        "apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
        "metadata": {"name": "store", "namespace": "default"},
        "spec": {"provider": {"vault": {
            "server": vault.url, "path": "secret", "auth": {"appRole": {
                "path": "approle", "roleId": role,
                "secretRef": {"name": "login", "key": "id"}}}}}}}),
        json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {
            "name": "login", "namespace": "default"},
            "data": {"id": base64.b64encode(secret_id.encode()).decode()}}))


def items(interval):
    """Read key by key, extracted, templated."""
    out = []
    for i in range(ITEMS):
        if i % 3 == 0:
            es = external_secret(f"app{i}", {f"k{k}": (f"app/{i}", f"k{k}")
                                             for k in range(KEYS)},
                                 interval=interval)
        elif i % 3 == 1:
            es = external_secret(f"app{i}", {}, interval=interval, dataFrom=[
                {"extract": {"key": f"app/{i}"}}])
        else:
            es = external_secret(
                f"app{i}", {}, interval=interval,
                dataFrom=[{"extract": {"key": f"app/{i}"}}],
                target={"template": {"data": {
                    "all": "{{ range $k, $v := . }}{{ $k }}={{ $v | quote }}"
                           "\n{{ end }}{{ . | toJson | b64enc }}"}}})
        out.append(es)
    return documents(*out)


def failures():
    """Each meets a value and then fails."""
    def es(name, **spec):
        text = json.loads(external_secret(name, {}, interval="1s"))
        text["spec"].update(spec)
        return json.dumps(text)

    def entry(**ref):
        return [{"secretKey": "k", "remoteRef": {"key": "app/0", **ref}}]

    def template(text):
        return {"target": {"template": {"data": {"k": text}}}}
    all_of = [{"extract": {"key": "app/0"}}]
    cases = {
        "no-property": es("no-property", data=entry(property="nope")),
        "in-text": es("in-text", data=entry(property="k0.deeper")),
        "not-base64": es("not-base64", data=entry(
            property="k0", decodingStrategy="Base64")),
        "bad-template": es("bad-template", dataFrom=all_of,
                           **template("{{ .k0 | fromYaml | mustToJson }}"
                                      "{{ index .k0 5000 }}")),
        "bad-number": es("bad-number", dataFrom=all_of,
                         **template("{{ .k0 | mustToDate \"2006\" }}")),
        "too-long": es("too-long", dataFrom=all_of,
                       **template("{{ repeat 2000000 .k0 }}")),
        "no-extract": es("no-extract", dataFrom=[
            {"extract": {"key": "app/0", "property": "k0"}}]),
    }
    return documents(*cases.values(), *(
        host_projection(name, [name], f"bad/{name}") for name in cases))


def children(pid):
    out = []
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{p}/stat", encoding="utf-8") as f:
                if int(f.read().rsplit(")", 1)[1].split()[1]) == pid:
                    out.append(int(p))
        except OSError:
            pass
    return out


def at_rest(agent):
    """No job runs; what has died is gone."""
    quiet = 0
    end = time.monotonic() + 20
    while quiet < 5 and time.monotonic() < end:
        busy = children(agent.pids()["zygote"])
        quiet = 0 if busy else quiet + 1
        time.sleep(0.05)
    assert quiet == 5, "jobs run without end"


def said(agent):
    """All that the agent shows."""
    out = [agent.log()]
    for form in ("table", "json"):
        out.append(subprocess.run(
            [NODESEAL, "status", "-o", form, "--run", agent.run],
            capture_output=True, text=True, check=True).stdout)
    for pid in agent.pids().values():
        for name in ("cmdline", "environ", "comm"):
            out.append(read(f"/proc/{pid}/{name}").decode("utf-8", "replace"))
    out.append(read(f"{agent.run}/volumes").replace(b"\0", b"").decode(
        "utf-8", "replace"))
    return "\n".join(out)


def grown_up(vault, agent, markers):
    """A life: first syncs, mounts, rotations, failures, a store that fails."""
    fill(vault, markers)
    agent.manifest("store.yaml", store(vault, markers))
    agent.manifest("items.yaml", items("2s"))
    agent.ready()
    paths = [agent.publish(f"app{i}", pod=f"pod{i}") for i in range(ITEMS)]
    agent.manifest("bad.yaml", failures())
    fill(vault, markers)
    last = markers.all[-KEYS]
    wait(lambda: last in read(f"{paths[-1]}/k0").decode(), 15)
    wait(lambda: sum(bool(e["error"]) for e in
                     agent.status()["externalSecrets"]) >= 7, 15)
    vault.fault("status", status=500, match="/data/")
    wait(lambda: any(s["circuit"] == "open"
                     for s in agent.status()["stores"]), 20)
    vault.fault()
    # What is overdue is asked for within its interval (core/spread.h); then
    # the refreshes end, so that rest can be.
    agent.remove("bad.yaml")
    wait(lambda: not any(e["error"] for e in
                         agent.status()["externalSecrets"]), 30)
    agent.manifest("items.yaml", items("1h"))


def test_nothing_stays_in_memory():
    markers = Markers(20261124)
    with FakeVault() as vault, Agent() as a:
        grown_up(vault, a, markers)
        for token in vault.control("tokens"):
            markers.plain(token.removeprefix("hvs."))
        at_rest(a)
        file = os.path.join(a.base, "markers")
        hits, summary = scan(markers, file, [vault.process.pid])
        assert len(hits) > 20, summary
        hits, summary = scan(markers, file, a.pids().values())
        names = {str(pid): name for name, pid in a.pids().items()}
        for line in hits:
            pid, rest = line.split(" ", 1)
            print(f"# {names[pid]}: {rest}")
        print(f"# {len(markers.all)} markers: {summary}")
        assert hits == [], summary
        # What lazy binding leaves on the stack is a matter of luck: nothing
        # may be bound late.
        for name in ("core", "zygote"):
            words = read(f"/proc/{a.pids()[name]}/environ").split(b"\0")
            assert b"LD_BIND_NOW=1" in words, name
        shown = said(a)
        for m in markers.all:
            for form in (m, m[:8], json.dumps(m)[1:-1],
                         base64.b64encode(m.encode()).decode()[:12]):
                assert form not in shown, form


if "asan" in BUILD:	# it keeps what was freed
    del test_nothing_stays_in_memory

if __name__ == "__main__":
    main(globals())
