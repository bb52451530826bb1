#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the sources against the floors of the house (make check).

Every quoted include must name a file of the same folder or of a lower floor;
every library has one gate; what the products link, by ldd and nm, must be
what DESIGN.md's table says.  Prints one line a violation; exit 1 when there
is any.

usage: floors.py ROOT [BUILD]
"""
import os
import re
import subprocess
import sys

FLOOR = {
    "base": 0,
    "model": 1, "ipc": 1,
    "value": 2, "net": 2,
    "kube": 3, "auth": 3, "seal": 3, "proj": 3,
    "csi": 4, "provider": 4, "generator": 4,
    "keeper": 5, "core": 5, "link": 5, "job": 5, "tpm": 5, "cli": 5,
}

# Who may include a library's headers: a file, or a folder.
GATES = {
    r"uv\.h|uv/": ["agent/base/loop"],
    r"cjson/|cJSON\.h": ["agent/base/json"],
    r"yaml\.h$": ["agent/base/yaml"],
    r"curl/": ["agent/net/http"],
    r"nghttp2/": ["agent/csi/grpc"],
    r"microhttpd\.h": ["agent/link/httpd"],
    r"re2/|pcre2\.h": ["agent/value/regex"],
    r"sodium": ["agent/seal/"],
    r"openssl/": ["agent/net/http", "agent/auth/", "agent/value/tmpl_pki"],
    r"crypt\.h": ["agent/value/"],
    r"protobuf-c/|\.pb-c\.h": ["agent/csi/"],
    r"qrencode\.h": ["agent/cli/"],
    r"tss2/": ["agent/tpm/"],
}

# core/ is never linked with these, whatever it includes.
CORE_NEVER = {"net", "provider", "generator", "auth", "kube", "value"}

# What a product may link beyond libc and its loader.
LINKS = {
    "nodeseal": {"libuv", "libsodium", "libnghttp2", "libprotobuf-c",
                 "libcjson", "libqrencode", "libm"},
    "nodeseal-link": {"libuv", "libcurl", "libssl", "libcrypto", "libcjson",
                      "libyaml-0", "libmicrohttpd", "libm"},
    "nodeseal-fsproj": set(),
    # tss2's own choice is libcrypto.
    "nodeseal-tpm": {"libtss2-esys", "libtss2-mu", "libsodium", "libcrypto"},
}
LIBC = {"libc", "ld-linux-x86-64", "ld-linux-aarch64", "linux-vdso",
        "linux-gate"}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)


def sources(root):
    for top in ("agent", "fsproj"):
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in sorted(names):
                if name.endswith((".c", ".h", ".cc")):
                    path = os.path.join(folder, name)
                    yield os.path.relpath(path, root), path


def folder_of(rel):
    parts = rel.split("/")
    return parts[1] if parts[0] == "agent" and len(parts) > 2 else None


def check_own(rel, kind, target):
    """An include of our own: same folder or a lower floor."""
    me = folder_of(rel)
    if rel.startswith("fsproj/"):
        if kind == '"' and "/" in target and not target.startswith("fsproj/"):
            return f"{rel}: fsproj includes {target}: libc only"
        return None
    if target.startswith("fsproj/"):
        if target != "fsproj/proto.h":
            return f"{rel}: includes {target}: only proto.h leaves fsproj/"
        return None
    if kind != '"' or me is None:
        return None
    other = target.split("/")[0] if "/" in target else me
    if other == me or target.endswith(".pb-c.h"):
        return None
    if other not in FLOOR:
        return f"{rel}: includes {target}: not a folder of agent/"
    if me == "core" and other in CORE_NEVER:
        return f"{rel}: includes {target}: core never includes {other}/"
    if FLOOR[other] >= FLOOR[me]:
        return (f"{rel}: includes {target}: floor {FLOOR[other]} from floor "
                f"{FLOOR[me]}: only lower floors")
    return None


def check_gate(rel, kind, target):
    if kind == '"' and not target.endswith(".pb-c.h"):
        return None
    if target.startswith(("sys/", "linux/")):
        return None
    for pattern, gates in GATES.items():
        if re.match(pattern, target) or (
                target.endswith(".pb-c.h") and "pb-c" in pattern):
            if not any(rel.startswith(g) for g in gates):
                return (f"{rel}: includes <{target}>: its gate is "
                        f"{', '.join(gates)}")
    return None


def check_sources(root):
    bad = []
    for rel, path in sources(root):
        with open(path, encoding="utf-8") as f:
            text = f.read()
        for kind, target in INCLUDE.findall(text):
            for problem in (check_own(rel, kind, target),
                            check_gate(rel, kind, target)):
                if problem:
                    bad.append(problem)
        if "SPDX-License-Identifier: Apache-2.0" not in text[:200]:
            bad.append(f"{rel}: no SPDX line")
    return bad


def check_top(root):
    allowed = {"Makefile", "README.md", "LICENSE", "agent", "fsproj", "crds",
               "daemonset", "tests"}
    out = subprocess.run(["git", "-C", root, "ls-files"], text=True,
                         capture_output=True, check=False)
    tops = {line.split("/")[0] for line in out.stdout.splitlines()}
    return [f"{t}: does not belong at the top level" for t in sorted(tops)
            if t not in allowed and not t.startswith(".")]


def needed(program):
    out = subprocess.run(["ldd", program], text=True, capture_output=True,
                         check=True).stdout
    names = set()
    for line in out.splitlines():
        word = line.split()[0]
        names.add(os.path.basename(word).split(".so")[0])
    return names - LIBC


def check_products(build):
    bad = []
    for name, may in LINKS.items():
        path = os.path.join(build, name)
        if not os.path.exists(path):
            bad.append(f"{path}: not built")
            continue
        direct = subprocess.run(["readelf", "-d", path], text=True,
                                capture_output=True, check=True).stdout
        direct = {m.split(".so")[0] for m in re.findall(
            r"NEEDED.*\[([^]]+)\]", direct)} - LIBC
        for lib in sorted(direct - may):
            bad.append(f"{name}: links {lib}")
        # Not by way of another either.
        for lib in sorted((needed(path) & {"libcurl", "libssl",
                                           "libcrypto",
                                           "libtss2-esys"}) - may):
            bad.append(f"{name}: loads {lib}")
    path = os.path.join(build, "nodeseal")
    if os.path.exists(path):
        out = subprocess.run(["nm", path], text=True, capture_output=True,
                             check=True).stdout
        for symbol in ("http_do", "provider_find", "gjson_get", "yaml_read",
                       "pipeline_run"):
            if re.search(rf" [TtDd] {symbol}$", out, re.M):
                bad.append(f"nodeseal: holds {symbol}")
    return bad


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    bad = check_sources(sys.argv[1]) + check_top(sys.argv[1])
    if len(sys.argv) == 3:
        bad += check_products(sys.argv[2])
    for line in bad:
        print(line)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
