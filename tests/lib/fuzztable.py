# SPDX-License-Identifier: Apache-2.0
"""The table of fuzz targets (tests/fuzz/targets says how to read it)."""
import fnmatch
import glob
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))


class Target:
    def __init__(self, words):
        self.name = words[0]
        self.program = self.name + "_fuzz"
        self.seeds = "tests/fuzz/corpus/" + self.name
        self.planted = [w[1:] for w in words[1:] if w[0] == "+"]
        out = [w[1:] for w in words[1:] if w[0] == "!"]
        self.files = sorted(
            f for w in words[1:] if w[0] not in "+!"
            for f in files(w)
            if not any(fnmatch.fnmatch(f, o) for o in out))


def files(pattern):
    found = glob.glob(pattern, root_dir=ROOT)
    if not found:
        sys.exit(f"tests/fuzz/targets: {pattern}: no such file")
    return found


def read(wanted=()):
    """The targets in the table's order; ${wanted} names, or all."""
    lines = []
    with open(os.path.join(ROOT, "tests/fuzz/targets"),
              encoding="utf-8") as f:
        for line in f:
            line = line.split("#")[0].rstrip()
            if line[:1].isspace() and line.strip() and lines:
                lines[-1] += line
            elif line.strip():
                lines.append(line)
    table = [Target(line.split()) for line in lines]
    here = {os.path.basename(p)[:-len("_fuzz.c")] for p in
            glob.glob(os.path.join(ROOT, "tests/fuzz/*_fuzz.c"))}
    if here != {t.name for t in table}:
        sys.exit("tests/fuzz/targets: not the targets that there are: "
                 + " ".join(sorted(here ^ {t.name for t in table})))
    unknown = set(wanted) - here
    if unknown:
        sys.exit("no such target: " + " ".join(sorted(unknown)))
    return [t for t in table if not wanted or t.name in wanted]
