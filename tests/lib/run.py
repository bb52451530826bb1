#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs test programs and counts.

usage: run.py [--jobs N] [--timeout S] [--log DIR] PROGRAM…

Each program prints TAP (cmocka does with CMOCKA_MESSAGE_OUTPUT=TAP; the
scenarios do by tests/lib/scenario.py) or counts as one test by its exit
status.  A program that fails without a failing test counts as one failure.
Every program gets a process group of its own, which is ended when the
program ends or its time is over.  The last line is "N passed, N failed".
"""
import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

TAP = re.compile(r"^(ok|not ok)\b.*$", re.M)


def end_group(pid):
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(program, timeout, log):
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    start = time.monotonic()
    name = os.path.basename(program.split()[0])
    if not os.access(program.split()[0], os.X_OK):
        return name, 0, 1, 0, 0, False, f"{program}: not there, or no program"
    with subprocess.Popen(program.split(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=env, start_new_session=True) as p:
        try:
            out = p.communicate(timeout=timeout)[0]
            late = False
        except subprocess.TimeoutExpired:
            end_group(p.pid)
            out = p.communicate()[0]
            late = True
        end_group(p.pid)
    text = out.decode("utf-8", "replace")
    if log:
        os.makedirs(log, exist_ok=True)
        with open(os.path.join(log, name + ".log"), "w",
                  encoding="utf-8") as f:
            f.write(text)
    # A skip is said aloud by the program; it counts as neither.
    tests = list(TAP.finditer(text))
    words = [m.group(1) for m in tests
             if not re.search(r"# ?skip", m.group(0), re.I)]
    skipped = len(tests) - len(words)
    passed = words.count("ok")
    failed = words.count("not ok")
    if not tests:
        passed, failed = (1, 0) if p.returncode == 0 and not late else (0, 1)
    elif (p.returncode != 0 or late) and failed == 0:
        failed = 1
    seconds = time.monotonic() - start
    return name, passed, failed, skipped, seconds, late, text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--log")
    parser.add_argument("programs", nargs="+")
    args = parser.parse_args()
    passed = failed = skipped = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(run, p, args.timeout, args.log)
                for p in args.programs]
        for job in concurrent.futures.as_completed(jobs):
            name, ok, bad, skip, seconds, late, text = job.result()
            passed, failed, skipped = passed + ok, failed + bad, skipped + skip
            print(f"{'FAIL' if bad else 'ok  '} {name}: {ok} passed, "
                  f"{bad} failed{f', {skip} skipped' if skip else ''} "
                  f"({seconds:.1f} s{', out of time' if late else ''})",
                  flush=True)
            if bad:
                tail = text.splitlines()[-60:]
                print("\n".join("    " + line for line in tail), flush=True)
    print(f"{passed} passed, {failed} failed"
          + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
