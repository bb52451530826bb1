# SPDX-License-Identifier: Apache-2.0
"""Templates and `render` against the same work in Go (tests/bench/gopeer).

Both figures alternate ours and Go's, round by round, and hold the median of
the rounds' ratios against the bound; results are compared byte for byte.
"""
import base64
import filecmp
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../lib"))
import templates  # noqa: E402
from openbao import PEERS  # noqa: E402
from scenario import BUILD  # noqa: E402

ROUNDS = 10
GOPEER = os.path.join(PEERS, "gopeer")


def need_gopeer():
    if not os.path.exists(GOPEER):
        sys.exit("bench.py: no gopeer: run tests/tools/peers.sh bench first")


def ratio(report, spread, name, bound, ours, theirs):
    each = [a / b for a, b in zip(ours, theirs)]
    print(f"  ours, ms: {spread(ours)}; Go: {spread(theirs)}; ratio "
          f"{min(each):.3f} to {max(each):.3f}")
    report(name, statistics.median(each), bound, "x")


# --- 1,000 templates, parsed and executed -----------------------------------

def round_of(program, cases, out):
    p = subprocess.run([*program, cases, "3", out], check=True,
                       stdout=subprocess.PIPE, text=True)
    return statistics.median(float(x) for x in p.stdout.split())


def bench_templates(report, spread):
    need_gopeer()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as scratch:
        cases, a, b = (os.path.join(scratch, n) for n in "cab")
        with open(cases, "w", encoding="utf-8") as f:
            json.dump(templates.cases(1000), f)
        for _ in range(ROUNDS):
            ours.append(round_of([os.path.join(
                BUILD, "test/bench/run_templates")], cases, a))
            theirs.append(round_of([GOPEER, "templates"], cases, b))
            if not filecmp.cmp(a, b, shallow=False):
                sys.exit("bench.py: the templates' results differ")
    ratio(report, spread, "1,000 templates: parse and execute / Go", 0.5,
          ours, theirs)


# --- render of 10,000 ExternalSecrets -----------------------------------------

def timed(command, out):
    """Milliseconds, and the peak of resident memory in MiB."""
    with open(out, "wb") as f:
        start = time.monotonic()
        p = subprocess.Popen(command, stdout=f)
        _, status, usage = os.wait4(p.pid, 0)
        took = (time.monotonic() - start) * 1e3
    if status != 0:
        sys.exit(f"bench.py: {command[0]} failed")
    return took, usage.ru_maxrss / 1024


def values_of(path):
    """The data of each Secret that was printed, in order."""
    out = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line == "data:\n":
                out.append({})
            m = re.match(r"  (key-\d+): (\S+)$", line)
            if m:
                out[-1][m[1]] = base64.b64decode(m[2])
    return out


def bench_render(report, spread):
    need_gopeer()
    ours, theirs, memory = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        path, a, b = (os.path.join(scratch, n) for n in "mab")
        # Elsewhere: a child's peak begins with what its parent holds.
        with open(path, "wb") as f:
            subprocess.run([sys.executable, os.path.join(
                HERE, "templates.py"), "10000"], stdout=f, check=True)
        for _ in range(ROUNDS):
            took, peak = timed([os.path.join(BUILD, "nodeseal"), "render",
                                "-f", path], a)
            ours.append(took)
            memory.append(peak)
            theirs.append(timed([GOPEER, "render", path], b)[0])
        made = values_of(a)
        if len(made) != 10000 or made != values_of(b):
            sys.exit("bench.py: the Secrets differ")
    ratio(report, spread, "render of 10,000 ExternalSecrets / Go", 0.2,
          ours, theirs)
    report("render of 10,000 ExternalSecrets: peak RSS", max(memory), 64,
           "MiB")
