#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What README says of a cluster, done as it is written there: the commands of
its chapter, run one after another, with the image and the manifests that we
ship; nothing of the DaemonSet is changed."""
import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
sys.path.insert(0, HERE)
from cluster import BASE, IP, main, peer, wait  # noqa: E402
from image import ARCHIVE  # noqa: E402
from openbao import TOKEN, OpenBao  # noqa: E402
from scenario import ROOT, read  # noqa: E402

SYSTEM = "nodeseal-system"


def chapter(title):
    """The text of a chapter of README."""
    text = read(os.path.join(ROOT, "README.md")).decode()
    return text.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(text):
    """The ``` blocks of a text, by their language."""
    return re.findall(r"```(\w*)\n(.*?)```", text, re.S)


def shell(c, text):
    """As a person would, at the top of the sources."""
    bin_dir = f"{BASE}/bin"
    os.makedirs(bin_dir, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.symlink(peer("kubectl"), f"{bin_dir}/kubectl")
    out = subprocess.run(
        ["sh", "-euxc", text], cwd=ROOT, text=True, capture_output=True,
        check=False, timeout=120, env=dict(
            os.environ, KUBECONFIG=c.kubeconfig,
            PATH=f"{bin_dir}:{os.environ['PATH']}"))
    assert out.returncode == 0, out.stdout + out.stderr
    return out.stdout


def logs(c):
    for container in ("fsproj", "agent"):
        out = c.kubectl("logs", "ds/nodeseal", "-n", SYSTEM, "-c", container,
                        check=False)
        print("# " + (out.stdout + out.stderr).replace("\n", "\n# "))
    print("# " + c.kubectl("describe", "pods", "-n", SYSTEM).replace(
        "\n", "\n# "))


@contextlib.contextmanager
def installed(c):
    """The first block of the chapter on clusters."""
    c.import_image(ARCHIVE)
    try:
        shell(c, blocks(chapter("On a cluster"))[0][1])
        wait(lambda: c.kubectl("rollout", "status", "ds/nodeseal", "-n",
                               SYSTEM, "--timeout=90s"), 100)
        yield
    except BaseException:
        logs(c)
        raise


def seal(c):
    return c.api("GET", "/apis/nodeseal.dev/v1alpha1/nodeseals/"
                 f"{c.name}")["status"]


def test_the_chapter_on_clusters(c):
    """Install, and the first ExternalSecret in three steps."""
    steps = blocks(chapter("On a cluster"))
    with OpenBao(address="0.0.0.0") as bao, installed(c):
        bao.put("shop/db", {"password": "s3cret"})
        c.namespace("shop")
        for language, text in steps[1:]:
            text = text.replace("https://vault.example.com",
                                f"http://{IP}:{bao.port}")
            text = text.replace("VAULT-TOKEN", TOKEN)
            text = text.replace("registry.example.com/shop", c.busybox())
            if language == "yaml":
                c.apply(text)
            elif language == "sh":
                shell(c, text)
        c.wait_pod("shop", "shop")
        assert c.exec("shop", "cat", "/secrets/password",
                      ns="shop") == "s3cret"
        assert c.exec("shop", "sh", "-c", "echo $PASSWORD",
                      ns="shop").strip() == "s3cret"
        columns = c.kubectl("get", "externalsecrets", "-n", "shop",
                            "--no-headers").split()
        assert columns[4:6] == ["SecretSynced", "True"], columns
        wait(lambda: seal(c)["counts"]["volumes"] == 1, 30)
        assert seal(c)["ready"] and seal(c)["cache"]["state"] == "ok", seal(c)
        # A sandbox that lacks nothing, no right that is missing.
        assert seal(c).get("degraded", []) == [], seal(c)


ESO_MANAGER = "externalsecrets.external-secrets.io/db"


def made_by_eso(c):
    """A Secret as External Secrets Operator leaves it, and its objects."""
    c.apply({"apiVersion": "external-secrets.io/v1", "kind": "SecretStore",
             "metadata": {"name": "vault", "namespace": "shop"},
             "spec": {"provider": {"fake": {"data": [
                 {"key": "db", "value": "n3w"}]}}}},
            {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
             "metadata": {"name": "db", "namespace": "shop", "finalizers": [
                 "externalsecrets.external-secrets.io/"
                 "externalsecret-cleanup"]},
             "spec": {"secretStoreRef": {"name": "vault",
                                         "kind": "SecretStore"},
                      "data": [{"secretKey": "password",
                                "remoteRef": {"key": "db"}}]}})
    es = c.api("GET", "/apis/external-secrets.io/v1/namespaces/shop/"
               "externalsecrets/db")
    c.api("POST", "/api/v1/namespaces/shop/secrets?fieldManager=" +
          ESO_MANAGER, {
              "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
              "metadata": {"name": "db", "labels": {
                  "reconcile.external-secrets.io/managed": "true"},
                  "ownerReferences": [{
                      "apiVersion": "external-secrets.io/v1",
                      "kind": "ExternalSecret", "name": "db",
                      "uid": es["metadata"]["uid"], "controller": True,
                      "blockOwnerDeletion": True}]},
              "stringData": {"password": "old"}})


def user(c):
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "user", "namespace": "shop"},
            "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
                "name": "main", "image": c.busybox(),
                "imagePullPolicy": "Never", "envFrom": [
                    {"secretRef": {"name": "db"}}]}]}}


def test_moving_from_eso(c):
    """The commands of the chapter, on what ESO has left behind."""
    path = "/api/v1/namespaces/shop/secrets/db"
    (move, finalizer) = [text for _, text in blocks(chapter(
        "Moving from External Secrets Operator"))]
    c.kubectl("delete", "namespace", "shop", "--ignore-not-found",
              "--timeout=60s")
    c.namespace("shop")
    with installed(c):
        made_by_eso(c)
        c.apply(user(c))
        c.wait_pod("user", "shop")
        # Not ours: no status, no write, whatever the pod uses.
        time.sleep(5)
        assert c.api("GET", path)["metadata"]["labels"] == {
            "reconcile.external-secrets.io/managed": "true"}
        shell(c, move)
        o = wait(lambda: c.api("GET", path)["metadata"]["labels"].get(
            "nodeseal.dev/managed") and c.api("GET", path), 90)
        assert base64.b64decode(o["data"]["password"]) == b"n3w", o
        assert len(o["metadata"]["ownerReferences"]) == 1, o
        wait(lambda: c.kubectl(
            "get", "externalsecret", "db", "-n", "shop", "--no-headers"
            ).split()[4:6] == ["SecretSynced", "True"], 30)
        shell(c, finalizer)
        c.kubectl("delete", "externalsecret", "db", "-n", "shop",
                  "--timeout=30s")
        # It was the owner: the Secret goes with it.
        wait(lambda: not c.exists(path), 60)


def test_monitoring_is_a_component(c):
    """It builds upon an overlay; its own kinds are the Operator's."""
    with tempfile.TemporaryDirectory(dir="/tmp") as d:
        to = os.path.relpath(f"{ROOT}/daemonset", d)
        with open(f"{d}/kustomization.yaml", "w", encoding="utf-8") as f:
            f.write(f"resources: [{to}/overlays/default]\n"
                    f"components: [{to}/components/monitoring]\n")
        text = c.kubectl("kustomize", d)
    objects = [json.loads(c.kubectl("create", "--dry-run=client",
                                    "--validate=false", "-o", "json", "-f",
                                    "-", stdin=t))
               for t in text.split("---\n")
               if "\nkind: ConfigMap\n" in t]
    (dashboard,) = [o for o in objects
                    if o["metadata"]["name"] == "nodeseal-dashboard"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(dashboard["data"]["nodeseal.json"])["panels"]
    assert text.count("\nkind: PrometheusRule\n") == 1
    assert text.count("\nkind: PodMonitor\n") == 1


if __name__ == "__main__":
    main(globals())
