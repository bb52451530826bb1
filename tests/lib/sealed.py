# SPDX-License-Identifier: Apache-2.0
"""A node with one value from a store, sealed: what the scenarios of the sealed
cache and of its keys begin with."""
import json
import os
import subprocess

from scenario import (documents, external_secret, host_projection,
                      wait)

OFFLINE = "offline.nodeseal.dev/"


def manifests(agent, vault, annotations=None, interval="1h"):
    store = {"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
             "metadata": {"name": "store", "namespace": "default"},
             "spec": {"provider": {"vault": {
                 "server": vault.url, "path": "secret", "version": "v2",
                 "auth": {"tokenSecretRef": {"name": "t", "key": "token"}}}}}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {
        "name": "t", "namespace": "default"}, "stringData": {"token": "root"}}
    agent.manifest("a.yaml", documents(
        json.dumps(store), json.dumps(secret),
        external_secret("app", {"password": ("app", "password")},
                        interval=interval, annotations=annotations),
        host_projection("web", ["app"], "web")))


def state(agent, name="cache.seal"):
    return os.path.join(agent.base, "state", name)


def host_file(agent):
    return os.path.join(agent.host, "web", "password")


def sealed(agent, generation=1):
    wait(lambda: agent.status()["cache"]["sealedAt"] and
         agent.status()["cache"]["generation"] >= generation)
    return agent.status()["cache"]


def reboot(agent, **stop):
    """The agent ends, and with it every mount, as in a reboot."""
    agent.stop(**stop)
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        mounts = [line.split()[4] for line in f if agent.base in line]
    for m in reversed(mounts):
        subprocess.run(["umount", m], check=True)
    assert not os.path.exists(host_file(agent))


def first_sync(agent, vault, **more):
    vault.put("app", {"password": "s3cret"})
    manifests(agent, vault, **more)
    wait(lambda: os.path.exists(host_file(agent)))
    return sealed(agent)
