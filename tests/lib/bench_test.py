#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The bench says so when a bar is missed: a publish is measured against
floors that are not the real one, and against programs that are not there."""
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.join(HERE, "../bench")
BUILD = os.environ.get("NODESEAL_BUILD", os.path.join(
    HERE, "../../build"))

# One run of three turns, in the namespaces that bench.py would make.
SHORT = f"""
import sys
sys.path.insert(0, {BENCH!r})
import bench
bench.RUNS, bench.TURNS = 1, 3
bench.bench_turns()
sys.exit(bench.verdict())
"""
# A floor that took %s microseconds, whatever it was asked.
FLOOR = """#!/bin/sh
n=0
while [ $n -lt "$2" ] && { [ "$3" != stepped ] || read -r _; }; do
	echo %s
	n=$((n + 1))
done
exit %d
"""


def python(text, build):
    out = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "--pid", "--fork",
         "--kill-child", "--mount-proc", sys.executable, "-c", text],
        capture_output=True, text=True, check=False, timeout=100,
        env=dict(os.environ, NODESEAL_ISOLATED="1", NODESEAL_BUILD=build))
    return out.returncode, out.stdout + out.stderr


def with_floor(us, status=0):
    """A publish measured against that floor, every other program real."""
    with tempfile.TemporaryDirectory() as build:
        os.makedirs(os.path.join(build, "test/bench"))
        for name in ("nodeseal", "nodeseal-job", "nodeseal-fsproj",
                     "test/tools"):
            os.symlink(os.path.abspath(os.path.join(BUILD, name)),
                       os.path.join(build, name))
        path = os.path.join(build, "test/bench/floor_publish")
        with open(path, "w", encoding="utf-8") as f:
            f.write(FLOOR % (us, status))
        os.chmod(path, 0o755)
        return python(SHORT, build)


def bench(*words, build=BUILD):
    out = subprocess.run(
        [sys.executable, os.path.join(BENCH, "bench.py"), *words],
        capture_output=True, text=True, check=False, timeout=100,
        env=dict(os.environ, NODESEAL_BUILD=build))
    return out.returncode, out.stdout + out.stderr


def reports(*lines):
    """The verdict over these reports (arguments of bench.report)."""
    calls = "".join(f"bench.report({line})\n" for line in lines)
    return python(f"import sys\nsys.path.insert(0, {BENCH!r})\n"
                  f"import bench\n{calls}sys.exit(bench.verdict())\n", BUILD)


def ratios(ours, floor):
    """report_ratio of these runs, with a bound of 1.5 and a floor of 20."""
    return python(f"import sys\nsys.path.insert(0, {BENCH!r})\n"
                  f"import bench\nbench.report_ratio('r', {ours}, {floor}, "
                  "1.5, 20)\nsys.exit(bench.verdict())\n", BUILD)


HELD = "'a', 0.0, 0, 'x'"


def main():
    with tempfile.TemporaryDirectory() as empty:
        # what, (status, output), status wanted, word of the output
        tests = [
            ("a floor far below: not held", with_floor("0.1"), 1,
             "NOT HELD"),
            ("a floor that is slow: no verdict", with_floor("301"), 1,
             "unfit machine"),
            ("a floor that fails", with_floor("100", 1), 1,
             "floor_publish failed"),
            ("no programs", bench("publish", build=empty), 1, "No such file"),
            ("no such figure", bench("publsh"), 1, "usage: bench.py"),
            ("all held", reports(HELD, HELD), 0, "2 passed, 0 failed"),
            ("one of three missed",
             reports(HELD, "'b', 3.01, 3, 'x'", HELD), 1,
             "2 passed, 1 failed"),
            ("held on an unfit machine",
             reports("'c', 1.0, 3, 'x', True"), 1, "unfit machine"),
            ("nothing measured", reports(), 1, "0 passed"),
            ("a ratio of runs: held", ratios([1, 9, 2], [1, 4, 2]), 0,
             "1 passed, 0 failed"),
            ("a ratio of runs: missed", ratios([2, 8, 4], [1, 4, 2]), 1,
             "NOT HELD"),
            ("a floor 1.5 times slower than written",
             ratios([1, 9, 2], [31, 29, 32]), 1, "unfit machine"),
        ]
    print(f"1..{len(tests)}")
    bad = 0
    for i, (name, (status, text), wanted, word) in enumerate(tests, 1):
        good = status == wanted and word in text
        bad += not good
        if not good:
            print(f"# status {status}\n# " + text.replace("\n", "\n# "))
        print(f"{'ok' if good else 'not ok'} {i} - {name}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
