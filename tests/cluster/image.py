#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The container image: the same bytes twice, no shell, and it works in a pod
that may do nothing."""
import base64
import json
import os
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
from cluster import IP, main, wait  # noqa: E402
from openbao import TOKEN, OpenBao  # noqa: E402
from scenario import BUILD, ROOT, documents, external_secret  # noqa: E402

ARCHIVE = os.path.join(BUILD, "nodeseal.oci.tar")
LIMITS = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
          "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True,
          "seccompProfile": {"type": "RuntimeDefault"}}


def name_of(path):
    with tarfile.open(path) as t:
        index = json.load(t.extractfile("index.json"))
    return index["manifests"][0]["annotations"]["io.containerd.image.name"]


def layer(path):
    """A tarfile of the only layer."""
    def blob(t, digest):
        return t.extractfile("blobs/sha256/" + digest.split(":")[1])
    with tarfile.open(path) as t:
        index = json.load(t.extractfile("index.json"))
        manifest = json.load(blob(t, index["manifests"][0]["digest"]))
        data = blob(t, manifest["layers"][0]["digest"]).read()
    import io
    return tarfile.open(fileobj=io.BytesIO(data), mode="r:gz"), len(data)


def pod(c, name, args, **spec):
    c.import_image(ARCHIVE)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {
        "name": name, "namespace": "default"}, "spec": {
            "restartPolicy": "Never", "containers": [{
                "name": "main", "image": name_of(ARCHIVE), "args": args,
                "imagePullPolicy": "Never", "securityContext": LIMITS,
                **spec.pop("container", {})}], **spec}}


def run(c, p):
    name = p["metadata"]["name"]
    c.apply(p)
    wait(lambda: c.pod(name)["status"].get("phase") in ("Succeeded",
                                                        "Failed"), 60)
    text, phase = c.logs(name), c.pod(name)["status"]["phase"]
    c.delete("pod", name)
    return phase, text


def test_same_bytes_and_nothing_else_in_it(_):
    with tempfile.TemporaryDirectory() as top:
        again = f"{top}/nodeseal.oci.tar"
        subprocess.run([os.path.join(ROOT, "daemonset/image/build.py"), BUILD,
                        again], check=True, stdout=subprocess.DEVNULL)
        for name in ("nodeseal.oci.tar", "nodeseal.oci.spdx.json"):
            with open(f"{top}/{name}", "rb") as a, \
                    open(f"{BUILD}/{name}", "rb") as b:
                assert a.read() == b.read(), name
    tar, size = layer(ARCHIVE)
    print(f"# the packed layer: {size / (1 << 20):.1f} MiB")
    assert size <= 15 << 20, size
    files = {m.name: m for m in tar.getmembers()}
    assert all(m.mtime == 0 for m in files.values())
    # Programs, libraries, data: nothing else can be started.
    executable = {n for n, m in files.items() if m.isfile() and m.mode & 0o111}
    assert {os.path.basename(n) for n in executable if "/lib" not in "/" + n
            } <= {"nodeseal", "nodeseal-link", "nodeseal-job",
                  "nodeseal-fsproj", "nodeseal-tpm"}, executable
    assert not any(n.split("/")[-1] in ("sh", "bash", "busybox", "dash")
                   for n in files)
    assert not any(m.mode & 0o6000 for m in files.values() if m.isfile())
    with open(f"{BUILD}/nodeseal.oci.spdx.json", encoding="utf-8") as f:
        bill = json.load(f)
    names = {p["name"] for p in bill["packages"]}
    assert {"nodeseal", "libc6", "libcurl4", "libssl3", "libsodium23",
            "ca-certificates"} <= names, names


def test_says_its_version(c):
    phase, text = run(c, pod(c, "version", ["version"]))
    assert phase == "Succeeded" and text.startswith("nodeseal "), text


def test_no_shell(c):
    c.apply(pod(c, "shell", [], container={"command": ["sh", "-c", "id"]}))
    wait(lambda: any("sh" in m and "not found" in m
                     for _, m in c.events("shell")), 30)
    c.delete("pod", "shell")


def test_fetches_by_name_from_a_store(c):
    """render in a pod that may nothing: libraries, names, TLS set-up."""
    with OpenBao(address="0.0.0.0") as bao:
        bao.put("app/db", {"user": "from-image"})
        c.apply({"apiVersion": "v1", "kind": "ConfigMap",
                 "metadata": {"name": "manifests", "namespace": "default"},
                 "data": {"a.yaml": documents(
                     json.dumps({
                         "apiVersion": "external-secrets.io/v1",
                         "kind": "SecretStore", "metadata": {
                             "name": "bao", "namespace": "default"},
                         "spec": {"provider": {"vault": {
                             "server": f"http://bao.example:{bao.port}",
                             "path": "secret", "auth": {"tokenSecretRef": {
                                 "name": "login", "key": "token"}}}}}}),
                     json.dumps({"apiVersion": "v1", "kind": "Secret",
                                 "metadata": {"name": "login",
                                              "namespace": "default"},
                                 "stringData": {"token": TOKEN}}),
                     external_secret(
                         "db", {"user": ("app/db", "user")}, store="bao",
                         target={"template": {"data": {
                             "user": "{{ .user }}",
                             "zone": '{{ dateInZone "MST" (toDate '
                                     '"2006-01-02" "2024-07-01") '
                                     '"Europe/Berlin" }}'}}}))}})
        phase, text = run(c, pod(
            c, "render", ["render", "-f", "/manifests", "-o", "json"],
            hostAliases=[{"ip": IP, "hostnames": ["bao.example"]}],
            volumes=[{"name": "m", "configMap": {"name": "manifests"}}],
            container={"volumeMounts": [{"name": "m",
                                         "mountPath": "/manifests"}]}))
        assert phase == "Succeeded", text
        (secret,) = json.loads(text)["items"]
        data = {k: base64.b64decode(v) for k, v in secret["data"].items()}
        assert data == {"user": b"from-image", "zone": b"CEST"}, data


if __name__ == "__main__":
    main(globals())
