# SPDX-License-Identifier: Apache-2.0
"""Writes an OCI image archive (OCI image layout 1.0 in a tar) of one layer,
without a daemon.  The same files give the same bytes: everything is sorted, and
no clock, owner or host name of the building machine gets in.
"""
import gzip
import hashlib
import io
import json
import os
import stat
import tarfile

MEDIA = "application/vnd.oci.image"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class Tree:
    """The files of a layer, by path without a leading slash."""

    def __init__(self, mtime=0):
        self.mtime = mtime
        self.entries = {}

    def add(self, path, content=b"", mode=0o644, kind=tarfile.REGTYPE,
            link="", uid=0, gid=0):
        path = path.strip("/")
        parent = os.path.dirname(path)
        if parent and parent not in self.entries:
            self.directory(parent)
        self.entries[path] = (kind, mode, uid, gid, content, link)

    def directory(self, path, mode=0o755, uid=0, gid=0):
        self.add(path, mode=mode, kind=tarfile.DIRTYPE, uid=uid, gid=gid)

    def symlink(self, path, target):
        self.add(path, mode=0o777, kind=tarfile.SYMTYPE, link=target)

    def file(self, path, source, mode=None):
        """The bytes of a file of this machine, links followed."""
        with open(source, "rb") as f:
            content = f.read()
        if mode is None:
            mode = 0o755 if os.stat(source).st_mode & stat.S_IXUSR else 0o644
        self.add(path, content, mode)

    def tar(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w",
                          format=tarfile.GNU_FORMAT) as t:
            for path in sorted(self.entries):
                kind, mode, uid, gid, content, link = self.entries[path]
                info = tarfile.TarInfo(path)
                info.type, info.mode, info.linkname = kind, mode, link
                info.uid, info.gid, info.mtime = uid, gid, self.mtime
                info.size = len(content)
                t.addfile(info, io.BytesIO(content))
        return out.getvalue()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor(kind, data, **more):
    return {"mediaType": kind, "digest": digest(data), "size": len(data),
            **more}


def text(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def write(path, name, tree, config, annotations=None):
    """The archive of an image called ``name``; ``config`` is what OCI's image
    configuration holds under "config".  Returns the size of the packed
    layer and the digest of the layer."""
    layer = tree.tar()
    packed = gzip.compress(layer, 9, mtime=0)
    image = text({
        "architecture": MACHINES.get(os.uname().machine, os.uname().machine),
        "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}})
    manifest = text({
        "schemaVersion": 2, "mediaType": f"{MEDIA}.manifest.v1+json",
        "config": descriptor(f"{MEDIA}.config.v1+json", image),
        "layers": [descriptor(f"{MEDIA}.layer.v1.tar+gzip", packed)],
        "annotations": annotations or {}})
    index = text({
        "schemaVersion": 2, "mediaType": f"{MEDIA}.index.v1+json",
        "manifests": [descriptor(
            f"{MEDIA}.manifest.v1+json", manifest,
            # containerd takes the first, other tools the second.
            annotations={
                "io.containerd.image.name": name,
                "org.opencontainers.image.ref.name": name.rsplit(":")[-1]})]})
    out = Tree()
    for blob in (packed, image, manifest):
        out.add("blobs/sha256/" + digest(blob)[7:], blob)
    out.add("index.json", index)
    out.add("oci-layout", text({"imageLayoutVersion": "1.0.0"}))
    with open(path + ".new", "wb") as f:
        f.write(out.tar())
    os.rename(path + ".new", path)
    return len(packed), digest(layer)
