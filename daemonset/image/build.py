#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the container image: an OCI archive, and its bill of materials beside
it, from the programs of BUILD and the Debian packages of this machine.

usage: build.py BUILD ARCHIVE [--name NAME]

In it: the programs, stripped; the shared libraries that they load, and the
loader; CA certificates; time zones, which templates may name; /etc/passwd and
nsswitch.conf for getaddrinfo.  No shell, no package manager, nothing that can
be started but the programs.  The same programs and packages give the same
bytes.  The bill is SPDX 2.3, JSON, by dpkg's data: ARCHIVE with .spdx.json.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

import oci

PROGRAMS = ("nodeseal", "nodeseal-link", "nodeseal-job", "nodeseal-fsproj",
            "nodeseal-tpm")
BIN = "usr/local/bin"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
ZONES = "/usr/share/zoneinfo"
UID = 65532
NSSWITCH = b"passwd: files\ngroup: files\nhosts: files dns\n"
LIMIT = 15 << 20


def run(*words):
    return subprocess.run(words, check=True, text=True,
                          capture_output=True).stdout


def programs(build):
    for name in PROGRAMS:
        path = os.path.join(build, name)
        if os.path.exists(path):
            yield name, path
        else:
            sys.exit(f"image: {path} is not there: run make first")


def libraries(paths):
    """The path that the loader will look at -> the file of this machine.  The
    loader's own path is the one that the programs name."""
    found = {}
    for path in paths:
        for line in run("ldd", path).splitlines():
            m = re.match(r"\s*(?:(\S+) => )?(/\S+) \(0x", line)
            if m:
                found[m.group(2)] = os.path.realpath(m.group(2))
            elif "not found" in line:
                sys.exit(f"image: {path}: {line.strip()}")
    return found


def stripped(path):
    with tempfile.NamedTemporaryFile() as t:
        subprocess.run(["strip", "--strip-all", "-o", t.name, path],
                       check=True)
        with open(t.name, "rb") as f:
            return f.read()


def add_zones(tree):
    """Names and content as Go's time.LoadLocation finds them; the copies of
    zoneinfo with leap seconds serve nobody here."""
    for folder, folders, names in os.walk(ZONES):
        if folder == ZONES:
            folders[:] = [d for d in folders if d not in ("right", "posix")]
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as f:
                content = f.read()
            if content[:4] == b"TZif":
                tree.add(path, content)


def make_tree(build):
    tree = oci.Tree()
    paths = []
    for name, path in programs(build):
        tree.add(f"{BIN}/{name}", stripped(path), 0o755)
        paths.append(path)
    libs = libraries(paths)
    for path, source in libs.items():
        tree.file(path, source, 0o755)
    tree.file(CERTIFICATES, CERTIFICATES)
    add_zones(tree)
    tree.add("etc/passwd", (
        "root:x:0:0:root:/:/nonexistent\n"
        f"nodeseal:x:{UID}:{UID}:nodeseal:/:/nonexistent\n").encode())
    tree.add("etc/group", f"root:x:0:\nnodeseal:x:{UID}:\n".encode())
    tree.add("etc/nsswitch.conf", NSSWITCH)
    for folder in ("run/nodeseal", "var/lib/nodeseal"):
        tree.directory(folder, 0o755, UID, UID)
    tree.directory("tmp", 0o1777)
    return tree, libs


# --- bill of materials ---------------------------------------------------------

def owners(paths):
    """The Debian packages that the files belong to.  dpkg knows some by the
    path before /lib became a link to /usr/lib."""
    names = set()
    for path in paths:
        real = os.path.realpath(path)
        names |= {path, real, re.sub(r"^/usr(/lib)", r"\1", real)}
    # It fails when any of them is unknown, and still prints the others.
    out = subprocess.run(["dpkg", "-S", *sorted(names)], capture_output=True,
                         text=True, check=False).stdout
    return sorted({line.split(": ")[0].split(",")[0]
                   for line in out.splitlines()
                   if not line.startswith("diversion")})


def packages(paths):
    # The bundle of certificates is made by its package, not shipped in it.
    names = owners(paths) + ["ca-certificates"]
    form = "${Package}\t${Version}\t${Architecture}\t${source:Package}\n"
    for line in run("dpkg-query", "-W", "-f", form, *names).splitlines():
        name, version, machine, source = line.split("\t")
        yield {
            "SPDXID": f"SPDXRef-{re.sub('[^A-Za-z0-9.-]', '-', name)}",
            "name": name, "versionInfo": version,
            "supplier": "Organization: Debian",
            "sourceInfo": f"built from the Debian source package {source}",
            "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator":
                    f"pkg:deb/debian/{name}@{version}?arch={machine}"}]}


def bill(name, version, libs, layer_digest):
    parts = sorted(packages([*libs, f"{ZONES}/UTC"]),
                   key=lambda p: p["name"])
    own = {
        "SPDXID": "SPDXRef-nodeseal", "name": "nodeseal",
        "versionInfo": version, "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False, "licenseConcluded": "Apache-2.0",
        "licenseDeclared": "Apache-2.0", "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "CONTAINER"}
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT", "name": name,
        "documentNamespace": "https://nodeseal.dev/spdx/"
        + layer_digest.split(":")[1],
        "creationInfo": {"created": "1970-01-01T00:00:00Z",
                         "creators": ["Tool: nodeseal-image"]},
        "packages": [own, *parts],
        "relationships": [{
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relationshipType": "DESCRIBES",
            "relatedSpdxElement": "SPDXRef-nodeseal"}] + [{
                "spdxElementId": "SPDXRef-nodeseal",
                "relationshipType": "CONTAINS",
                "relatedSpdxElement": p["SPDXID"]} for p in parts]}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("archive")
    parser.add_argument("--name")
    args = parser.parse_args()
    version = run(os.path.join(args.build, "nodeseal"),
                  "version").split()[1]
    name = args.name or f"ghcr.io/nodeseal/nodeseal:{version}"
    tree, libs = make_tree(args.build)
    size, layer = oci.write(args.archive, name, tree, {
        "User": f"{UID}:{UID}", "WorkingDir": "/",
        "Env": [f"PATH=/{BIN}"], "Entrypoint": [f"/{BIN}/nodeseal"],
        "Cmd": ["run"]}, {
            "org.opencontainers.image.title": "nodeseal",
            "org.opencontainers.image.version": version,
            "org.opencontainers.image.licenses": "Apache-2.0"})
    with open(re.sub(r"\.tar$", "", args.archive) + ".spdx.json", "w",
              encoding="utf-8") as f:
        json.dump(bill(name, version, libs, layer), f, indent=1)
        f.write("\n")
    print(f"{args.archive}: {name}, {size / (1 << 20):.1f} MiB packed")
    if size > LIMIT:
        sys.exit(f"image: larger than {LIMIT >> 20} MiB")


if __name__ == "__main__":
    main()
