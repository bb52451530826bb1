#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make demo: the main job, in front of you, without a cluster.

A store with TLS and a login, an ExternalSecret with several keys, the files
in a tmpfs, a rotation seen in the file, the store killed and the files still
there.  Leaves nothing behind: everything happens in mount and process
namespaces of its own and in one temporary folder.

usage: demo.py [--store fake|openbao]
"""
import argparse
import json
import os
import subprocess
import sys
import textwrap
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from scenario import NODESEAL, Agent, isolate, wait  # noqa: E402
from stores import FakeVault, certificates  # noqa: E402

COLOUR = sys.stdout.isatty()


def paint(code, text):
    return f"\x1b[{code}m{text}\x1b[0m" if COLOUR else text


def say(text):
    print("\n" + paint("1;36", "— " + text), flush=True)


def show(command, *args, cwd=None):
    """A command as a person would type it, and what it prints."""
    print(paint("1", "$ " + command), flush=True)
    out = subprocess.run(args or ["sh", "-c", command], text=True, cwd=cwd,
                         capture_output=True, check=False)
    print(textwrap.indent((out.stdout + out.stderr).rstrip(), "  "),
          flush=True)


MANIFESTS = """\
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {{name: vault, namespace: shop}}
spec:
  provider:
    vault:
      server: {url}
      path: secret
      caBundle: {ca}
      auth:
        appRole:
          path: approle
          roleId: {role}
          secretRef: {{name: vault-login, key: secret-id}}
---
apiVersion: v1
kind: Secret
metadata: {{name: vault-login, namespace: shop}}
stringData: {{secret-id: {secret_id}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: database, namespace: shop}}
spec:
  refreshInterval: 2s
  secretStoreRef: {{name: vault}}
  data:
  - secretKey: username
    remoteRef: {{key: shop/database, property: username}}
  - secretKey: password
    remoteRef: {{key: shop/database, property: password}}
  dataFrom:
  - extract: {{key: shop/settings}}
---
apiVersion: nodeseal.dev/v1alpha1
kind: HostProjection
metadata: {{name: shop, namespace: shop}}
spec:
  path: shop
  mode: "0640"
  externalSecrets: [{{name: database}}]
"""


def store(kind, folder):
    if kind == "fake":
        return FakeVault(tls=folder)
    from openbao import PEERS, OpenBao
    if not os.path.exists(os.path.join(PEERS, "bao")):
        sys.exit("demo: no OpenBao here: tests/tools/peers.sh builds it")
    return OpenBao(tls=folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", choices=["fake", "openbao"],
                        default="fake")
    args = parser.parse_args()
    isolate()
    name = "OpenBao" if args.store == "openbao" else \
        "a look-alike of Vault (STORE=openbao takes the real one)"
    with Agent(csi=False, dir_mode=0o755) as agent, \
            certificates() as folder, store(args.store, folder) as vault:
        run(agent, vault, folder, name)
    print("\n" + paint("1;32", "Done; nothing is left behind."))


def run(agent, vault, folder, name):
    say(f"A secret store, {name}, with TLS and an AppRole login")
    role, secret_id = vault.approle()
    vault.put("shop/database", {"username": "shop", "password": "first"})
    vault.put("shop/settings", {"pool": 8, "mode": "strict"})
    print(f"  {vault.url}  shop/database: username, password;  "
          "shop/settings: pool, mode")

    say("nodeseal run --manifests … is serving a folder that is still empty")
    print("  " + paint("1", f"{NODESEAL} run --manifests {agent.manifests} "
                       f"--run {agent.run} …"))
    agent.ready()

    say("The manifests: a SecretStore, an ExternalSecret, and where the files go")
    with open(os.path.join(folder, "ca.pem"), "rb") as f:
        import base64
        ca = base64.b64encode(f.read()).decode()
    text = MANIFESTS.format(url=vault.url, ca=ca, role=role,
                            secret_id=secret_id)
    brief = text.replace(ca, ca[:16] + "…").replace(secret_id, "…")
    print(textwrap.indent("\n".join(
        brief.split("---\n")[2].splitlines()), "  "))
    start = time.monotonic()
    agent.manifest("shop.yaml", text)
    path = os.path.join(agent.host, "shop")
    wait(lambda: os.path.exists(f"{path}/password"), 15)
    print(paint("2", f"  files after {1e3 * (time.monotonic() - start):.0f} "
                "ms: read, login, two reads, sealed, projected"))

    say("The files: a tmpfs that appears whole or not at all")
    show(f"ls -lA {path}")
    show(f"grep . {path}/*")
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        line = [l for l in f if l.split()[4] == agent.host]
    if line:
        f = line[0].split()
        print(f"  the mount: {f[f.index('-') + 1]} {f[5]} {f[-1]}")

    say("A rotation at the store (refreshInterval: 2s)")
    vault.put("shop/database", {"username": "shop", "password": "second"})
    start = time.monotonic()
    wait(lambda: open(f"{path}/password", encoding="utf-8").read() ==
         "second", 10)
    print(f"  seen in the file after {time.monotonic() - start:.1f} s")
    show(f"cat {path}/password; echo; readlink {path}/..data")

    say("The store is killed; the files stay, and status says so")
    vault.stop()
    wait(lambda: agent.es("database", "shop")["error"], 15)
    show(f"cat {path}/password; echo")
    show(f"nodeseal status --run {agent.run}", NODESEAL, "status", "--run",
         agent.run)

    say("The agent's processes: one a right")
    pids = ",".join(str(p) for p in agent.pids().values())
    show(f"ps -o user,pid,rss,args -p {pids}", "ps", "-o",
         "user:6,pid,rss,args", "--cols", "100", "-p", pids)

    say("Without an agent: the same pipeline once, and what is wrong before it runs")
    small = json.dumps({"apiVersion": "external-secrets.io/v1",
                        "kind": "ExternalSecret", "metadata": {"name": "x"},
                        "spec": {"secretStoreRef": {"name": "vualt"},
                                 "data": [{"secretKey": "a",
                                           "remoteReff": {"key": "b"}}]}})
    with open(os.path.join(agent.base, "wrong.yaml"), "w",
              encoding="utf-8") as f:
        f.write(small)
    show("nodeseal check -f wrong.yaml", NODESEAL, "check", "-f",
         "wrong.yaml", cwd=agent.base)


if __name__ == "__main__":
    main()
