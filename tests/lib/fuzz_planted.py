#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does each fuzz target find the out-of-bounds read that is planted for it?

usage: tests/lib/fuzz_planted.py [--seconds N] [TARGET…]

Builds every +NAME of tests/fuzz/targets as make WEAKEN=NAME under ASan and
UBSan and runs the target from its seeds: the sanitizer has to speak within
60 seconds, and the same seeds must be quiet in the build without the fault.
Exit 1 when one is not found.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import fuzztable

FOUND = re.compile(rb"ERROR: AddressSanitizer: (\S+)|"
                   rb"runtime error: (.{0,60})")


def borrow(folder, program, weaken):
    """All objects of the sound build but those that the fault may be in, so
    that little is compiled again.  Links: nothing writes into an object."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    sources = subprocess.run(
        ["grep", "-rlw", f"WEAKEN_{weaken}", "agent", "fsproj"], check=True,
        stdout=subprocess.PIPE, text=True).stdout.split()
    if any(not s.endswith(".c") for s in sources):
        return
    for part in ("obj", "gen"):
        subprocess.run(["cp", "-al", f"build/fuzz/{part}", folder],
                       check=True)
    # A target may include the file whole.
    for source in sources + [f"tests/fuzz/{program}.c"]:
        path = f"{folder}/obj/{source.removesuffix('.c')}.o"
        if os.path.exists(path):
            os.unlink(path)


def build(program, weaken=""):
    """The program's path; ${weaken} names the fault."""
    folder = f"build/weak-{weaken}-fuzz" if weaken else "build/fuzz"
    if weaken:
        borrow(folder, program, weaken)
    path = f"{folder}/test/fuzz/{program}"
    subprocess.run(
        ["make", "--no-print-directory", "-s", "-j2", "FLAVOUR=fuzz",
         "CC=clang", "CXX=clang++", f"WEAKEN={weaken}", path], check=True)
    return path


def run(program, folders, seconds, runs=-1):
    """What the sanitizer said, or None; and how long it took."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        p = subprocess.run(
            [os.path.abspath(program), f"-max_total_time={seconds}",
             f"-runs={runs}", "-timeout=10", "-rss_limit_mb=2048",
             f"-artifact_prefix={scratch}/", scratch, *folders],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    took = time.monotonic() - start
    if p.returncode == 0:
        return None, took
    m = FOUND.search(p.stdout)
    if m is None:
        sys.exit(f"{program}: failed otherwise:\n"
                 + p.stdout[-2000:].decode("utf-8", "replace"))
    return (m.group(1) or m.group(2)).decode("utf-8", "replace"), took


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    ap.add_argument("--seconds", type=int, default=60)
    ap.add_argument("target", nargs="*")
    args = ap.parse_args()
    os.chdir(fuzztable.ROOT)
    missed = tried = 0
    for t in fuzztable.read(args.target):
        for weaken in t.planted:
            said, _ = run(build(t.program), [t.seeds], args.seconds, 0)
            if said:
                sys.exit(f"{t.name}: without the fault: {said}")
            said, took = run(build(t.program, weaken), [t.seeds],
                             args.seconds)
            tried += 1
            missed += said is None
            print(f"{t.name:<16} {weaken:<18} "
                  + (f"{said} after {took:.1f} s" if said else
                     f"NOT FOUND in {took:.0f} s"), flush=True)
    print(f"{tried - missed} of {tried} planted reads found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
