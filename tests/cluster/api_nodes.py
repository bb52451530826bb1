#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Three agents with real tokens of three Nodes, and the same ExternalSecrets on
each: the status is the lease.  What reached the store and the API server is
counted there."""
import contextlib
import os
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from api_agent import (ApiAgent, external, install, is_ready,  # noqa: E402
                       other_node, put, ready, unbind, user)
from api_secrets import data  # noqa: E402
from api_store import login, store  # noqa: E402
from cluster import IP, main  # noqa: E402
from openbao import TOKEN, OpenBao  # noqa: E402
from scenario import external_secret, wait, write  # noqa: E402

NODES = ("node1", "node2", "node3")
NAMES = [f"app{i}" for i in range(4)]
INTERVAL = 5
TURNS = 20
NAME = "store.nodeseal.test"


class Named:
    """A store under a name, so that one node can be told another address."""

    def __init__(self, bao):
        self.url = f"http://{NAME}:{bao.port}"


def hosts(path, address):
    write(path, f"127.0.0.1 localhost\n{address} {NAME}\n")


class NodeAgent(ApiAgent):
    """An agent that has a file of host names of its own."""

    def __init__(self, c, name):
        super().__init__(c, name, csi=False)
        self.hosts = os.path.join(self.base, "hosts")
        hosts(self.hosts, IP)
        os.chmod(self.hosts, 0o644)
        self.before = ["unshare", "-m", "sh", "-c",
                       f"mount --bind {self.hosts} /etc/hosts && exec \"$@\"",
                       "sh"]

    def reach(self, address):
        # In place: the mount is of this file.
        with open(self.hosts, "w", encoding="utf-8") as f:
            f.write(f"127.0.0.1 localhost\n{address} {NAME}\n")


class Watch:
    """Looks at the Ready conditions all the time."""

    def __init__(self, c):
        self.c = c
        self.bad = []
        self.end = False
        self.thread = threading.Thread(target=self.look, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.end = True
        self.thread.join()

    def look(self):
        while not self.end:
            self.bad += [(n, r) for n in NAMES for r in [ready(self.c, n)]
                         if r["status"] != "True"]
            time.sleep(0.3)


def reads(bao):
    """Values that the store has given."""
    text = bao.call("GET", "sys/metrics?format=prometheus", raw=True)
    bao.own_reads += 1
    (line,) = [x for x in text.splitlines()
               if x.startswith("vault_route_read_secret__count")]
    return int(float(line.split()[-1]))


def status_writes(c):
    return len([e for e in c.audit() if
                e["user"]["username"].endswith(":nodeseal") and
                e["verb"] == "patch" and
                e.get("objectRef", {}).get("resource") == "externalsecrets"])


@contextlib.contextmanager
def world(c):
    install(c, "sync", "drift", "store-secrets")
    for n in NODES[1:]:
        other_node(c, n)
    with OpenBao(address=IP) as bao, contextlib.ExitStack() as stack:
        for n in NAMES:
            bao.put(n, {"password": "one"})
        put(c, login(TOKEN), store(Named(bao), {
            "tokenSecretRef": {"name": "login", "key": "token"}}),
            *[external_secret(n, {"password": (n, "password")},
                              interval=f"{INTERVAL}s") for n in NAMES])
        for n in NODES:
            c.apply(user(c, f"web-{n}", NAMES, node_name=n,
                         tolerations=[{"operator": "Exists"}]))
        agents = {n: stack.enter_context(NodeAgent(c, n)) for n in NODES}
        for a in agents.values():
            a.ready(30)
        try:
            for n in NAMES:
                wait(lambda name=n: is_ready(c, name), 60)
            yield bao, agents
        finally:
            c.kubectl("delete", "externalsecrets,secretstores", "--all")
            c.kubectl("delete", "pods", "--all", "--force",
                      "--grace-period=0")
            c.kubectl("delete", "secrets", "--all")
            unbind(c, "sync", "drift", "store-secrets")


def count(c, bao, turns):
    """(reads, status writes) for one ExternalSecret and one interval."""
    before = reads(bao), status_writes(c)
    time.sleep(turns * INTERVAL)
    whole = turns * len(NAMES)
    return ((reads(bao) - before[0]) / whole,
            (status_writes(c) - before[1]) / whole)


def test_three_nodes_share(c):
    with world(c) as (bao, agents):
        time.sleep(3 * INTERVAL)
        with Watch(c) as w:
            read, wrote = count(c, bao, TURNS)
        print(f"# {TURNS} intervals, 3 nodes: {read:.2f} reads, "
              f"{wrote:.2f} status writes for each")
        assert not w.bad, w.bad[:3]
        # One node alone would need 1.0 to 1.11.
        assert 0.9 <= read <= 1.6 and 0.9 <= wrote <= 1.6, (read, wrote)
        bao.put("app0", {"password": "two"})
        wait(lambda: data(c, "app0") == {"password": "two"}, 3 * INTERVAL)
        # One cannot reach the store: nobody sees it but that node.
        agents["node3"].reach("127.0.0.9")
        time.sleep(INTERVAL)
        with Watch(c) as w:
            read, wrote = count(c, bao, 7)
        print(f"# one without the store: {read:.2f} reads, {wrote:.2f} "
              "status writes for each")
        assert not w.bad, w.bad[:3]
        assert 0.9 <= read <= 1.6, read
        errors = [a.es("app0")["error"] for a in agents.values()]
        assert errors[2] and not errors[0] and not errors[1], errors
        # Only that one is left, and it has the store again.
        agents["node3"].reach(IP)
        for n in ("node1", "node2"):
            agents[n].stop()
        bao.put("app0", {"password": "three"})
        wait(lambda: data(c, "app0") == {"password": "three"}, 60)
        at = external(c, "app0")["status"]["refreshTime"]
        wait(lambda: external(c, "app0")["status"]["refreshTime"] > at,
             5 * INTERVAL)


if __name__ == "__main__":
    main(globals())
