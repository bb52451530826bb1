#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""csi-sanity, a real grpc-go client, against the agent.

Through a proxy that answers Identity and Controller, which a node plugin does
not have, and adds the pod's context, which csi-sanity does not send.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import Agent, documents, external_secret, fake_store, main, wait  # noqa: E402
from openbao import PEERS  # noqa: E402


def sanity(agent, driver):
    socket = os.path.join(agent.base, "proxy.sock")
    plugin = os.path.join(agent.kubelet, "plugins", driver, "csi.sock")
    mounts = os.path.join(agent.pods, "sanity/volumes")
    os.makedirs(mounts, exist_ok=True)
    proxy = subprocess.Popen(
        [os.path.join(PEERS, "sanity-proxy"), "-listen", socket, "-plugin",
         plugin, "-external-secret", "app", "-pod", "default/sanity"])
    try:
        wait(lambda: os.path.exists(socket))
        out = subprocess.run(
            [os.path.join(PEERS, "csi-sanity"), "--csi.endpoint", socket,
             "--csi.mountdir", os.path.join(mounts, "mount"),
             "--csi.stagingdir", os.path.join(mounts, "staging"),
             "--ginkgo.no-color"], capture_output=True, text=True,
            timeout=300, check=False)
    finally:
        proxy.kill()
        proxy.wait()
        if os.path.exists(socket):
            os.unlink(socket)
    found = re.search(r"(\d+) Passed.*?(\d+) Failed", out.stdout, re.S)
    print(f"# {driver}: " + (found.group(0) if found else out.stdout[-3000:]))
    assert found and out.returncode == 0 and found.group(2) == "0", \
        out.stdout[-6000:]
    assert int(found.group(1)) >= 32, found.group(0)


def test_every_spec_is_green():
    with Agent() as a:
        a.manifest("a.yaml", documents(
            fake_store({"k": "v"}), external_secret("app", {"k": "k"})))
        a.ready()
        sanity(a, "csi.nodeseal.dev")
        sanity(a, "identity.csi.nodeseal.dev")
        assert a.status()["volumes"] == []


if __name__ == "__main__":
    main(globals())
