#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs fuzz targets, one after another, and says how far each came.

usage: tests/lib/fuzz.py [--runs N] [--seconds S] [--build DIR] [NAME_fuzz…]

Without --runs each target has 60 seconds; with it, as long as that takes.
What is found goes to DIR/corpus/NAME_fuzz (DIR: build/fuzz), a crash to
DIR/crash-…, and ends the run with status 1.  A line a target: executions,
seconds, edges covered, inputs kept.
"""
import argparse
import os
import re
import subprocess
import sys
import time

import fuzztable

# Much of the time goes into who has allocated what; a crash is run again with
# everything.
QUICK = "malloc_context_size=2:quarantine_size_mb=16"


def arguments(t, args):
    found = os.path.join(args.build, "corpus", t.program)
    os.makedirs(found, exist_ok=True)
    words = [os.path.join(args.build, "test/fuzz", t.program), "-timeout=25",
             "-rss_limit_mb=3000", "-print_final_stats=1",
             f"-artifact_prefix={args.build}/"]
    if args.runs:
        words.append(f"-runs={args.runs}")
    if args.seconds:
        words.append(f"-max_total_time={args.seconds}")
    dictionary = f"tests/fuzz/dict/{t.name}"
    if os.path.exists(dictionary):
        words.append(f"-dict={dictionary}")
    return words + [found, t.seeds]


def run(t, args):
    start = time.monotonic()
    p = subprocess.run(arguments(t, args), stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, check=False,
                       env={"ASAN_OPTIONS": QUICK, **os.environ})
    took = time.monotonic() - start
    text = p.stderr.decode("utf-8", "replace")
    if p.returncode != 0:
        print(f"{t.name}: exit status {p.returncode}\n{text[-3000:]}")
        return False
    runs = re.search(r"number_of_executed_units:\s*(\d+)", text)
    last = re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)", text)
    cov, kept = last[-1] if last else ("0", "0")
    print(f"{t.name:<16} {int(runs.group(1)):>10} runs {took:>7.0f} s "
          f"{cov:>6} edges {kept:>6} inputs", flush=True)
    return True


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    ap.add_argument("--runs", type=int)
    ap.add_argument("--seconds", type=int)
    ap.add_argument("--build", default="build/fuzz")
    ap.add_argument("target", nargs="*")
    args = ap.parse_args()
    if not args.runs and not args.seconds:
        args.seconds = 60
    os.chdir(fuzztable.ROOT)
    os.nice(19)
    names = [n.removesuffix("_fuzz") for n in args.target]
    return 0 if all(run(t, args) for t in fuzztable.read(names)) else 1


if __name__ == "__main__":
    sys.exit(main())
