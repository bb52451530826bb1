#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How many lines of the files that it is for a fuzz target reaches.

usage: tests/lib/fuzzcov.py [--seeds] [--files] [--missing] [TARGET…]

Runs every input of tests/fuzz/corpus/TARGET, and of build/fuzz/corpus
(what `make fuzz` has found there; not with --seeds), in a build of its own
and prints a line a target.  --files adds one for each file, --missing the
lines that nothing reached.  Exit 1 when a target is below 85 %.
tests/fuzz/targets says what a target is for.
"""
import argparse
import json
import os
import subprocess
import sys

import fuzztable

BOUND = 85
BUILD = "build/fuzzcov"


def build(targets):
    subprocess.run(
        ["make", "--no-print-directory", "-s", "-j2", "FLAVOUR=fuzzcov",
         "CC=clang", "CXX=clang++",
         *[f"{BUILD}/test/fuzz/{t.program}" for t in targets]], check=True)


def lines_of(target, seeds_only):
    """The lines with code of each file, as {file: {line: reached}}."""
    program = f"{BUILD}/test/fuzz/{target.program}"
    raw = f"{BUILD}/{target.name}.profraw"
    found = f"build/fuzz/corpus/{target.program}"
    folders = [target.seeds]
    if not seeds_only and os.path.isdir(found):
        folders.append(found)
    subprocess.run(
        [program, "-runs=0", "-timeout=60", *folders], check=True,
        env=dict(os.environ, LLVM_PROFILE_FILE=raw),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    data = raw[:-3] + "data"
    subprocess.run(["llvm-profdata", "merge", "-sparse", raw, "-o", data],
                   check=True)
    out = subprocess.run(
        ["llvm-cov", "export", program, f"-instr-profile={data}",
         "-skip-expansions", "-skip-functions", *target.files], check=True,
        stdout=subprocess.PIPE).stdout
    files = {os.path.relpath(f["filename"]): reached(f["segments"])
             for f in json.loads(out)["data"][0]["files"]}
    for name in set(target.files) - set(files):
        if has_code(name):
            sys.exit(f"{target.name}: {name} is not even linked")
    return files


def has_code(name):
    """A file of tables alone has no lines to count."""
    with open(name, encoding="utf-8") as f:
        return any(line.rstrip() == "{" for line in f)


def reached(segments):
    """llvm-cov's own rule: a line's count is the highest of those that
    begin on it and of the one that goes on from before."""
    lines = {}
    on, count, at = False, 0, 1
    for line, _, n, has, entry, gap in segments:
        if on:
            for k in range(at, line):
                lines[k] = max(lines.get(k, 0), count)
        if has and not gap and entry:
            lines[line] = max(lines.get(line, 0), n)
        on, count, at = has and not gap, n, line + 1
    return lines


def share(files):
    have = sum(sum(n > 0 for n in v.values()) for v in files)
    every = sum(len(v) for v in files)
    return 100.0 * have / every if every else 100.0, every


def ranges(lines):
    runs = []
    for n in sorted(n for n, count in lines.items() if count == 0):
        if runs and runs[-1][1] == n - 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return " ".join(f"{a}-{b}" if a < b else str(a) for a, b in runs)


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    ap.add_argument("--seeds", action="store_true")
    ap.add_argument("--files", action="store_true")
    ap.add_argument("--missing", action="store_true")
    ap.add_argument("target", nargs="*")
    args = ap.parse_args()
    os.chdir(fuzztable.ROOT)
    targets = fuzztable.read(args.target)
    build(targets)
    low = 0
    for t in targets:
        files = lines_of(t, args.seeds)
        percent, every = share(files.values())
        low += percent < BOUND
        print(f"{t.name:<16} {percent:5.1f} % of {every:5d} lines in "
              f"{len(files):2d} files{'' if percent >= BOUND else '  LOW'}",
              flush=True)
        for name, lines in sorted(files.items()):
            if args.files or args.missing:
                percent, every = share([lines])
                print(f"    {percent:5.1f} % of {every:5d}  {name}")
            if args.missing and ranges(lines):
                print(f"        {ranges(lines)}")
    print(f"{len(targets) - low} of {len(targets)} targets reach {BOUND} % "
          "of the lines that they are for")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
