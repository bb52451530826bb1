#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every defence is taken out once, and its test must notice.

usage: controls.py [--jobs N] [--timeout S] [NAME…]
       controls.py --names

Each line of controls.tab names a defence (#ifdef WEAKEN_NAME in the product),
a test and an assertion.  The release objects are linked into a folder of their
own, those that come of a file with that name are compiled again with
-DWEAKEN_NAME, and the one test runs.  It is a success only when this very
assertion fails: a crash, a time-out, another assertion or a test that passes
is a failure.  Kinds of lines:

unit      PROGRAM is tests/unit/PROGRAM.c, CASE one of its tests; ASSERTION is
          a part of the statement that fails
scenario  PROGRAM is tests/scenario/PROGRAM.py, CASE one of its functions;
          ASSERTION is a part of the statement in it that fails
asan      PROGRAM is unit/NAME, with CASE, or replay/NAME with CASE "-": built
          with the sanitizers; ASSERTION is what AddressSanitizer finds and
          the first function of ours it finds it in: "KIND FILE FUNCTION"

--names only compares the names in the sources with those of the table.
Prints TAP and, as tests/lib/run.py does, "N passed, N failed".
"""
import argparse
import concurrent.futures
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TABLE = os.path.join(HERE, "controls.tab")
NAME = re.compile(r"\bWEAKEN_(\w+)")
WHERE = re.compile(r"(tests/\S+?\.[ch]):(\d+): error: Failure!")


class Control:
    """One line of the table."""

    def __init__(self, line, number):
        words = line.split(None, 4)
        if len(words) != 5 or words[1] not in ("unit", "scenario", "asan"):
            sys.exit(f"{TABLE}:{number}: NAME KIND PROGRAM CASE ASSERTION")
        self.name, self.kind, self.program, self.case, self.text = words
        self.text = one_line(self.text)

    @property
    def folder(self):
        return f"build/control/{self.name}"

    @property
    def flags(self):
        flavour = ["FLAVOUR=asan"] if self.kind == "asan" else []
        return [*flavour, f"WEAKEN={self.name}", f"B={self.folder}"]

    @property
    def target(self):
        return {"unit": f"{self.folder}/test/unit/{self.program}",
                "scenario": "all",
                "asan": f"{self.folder}/test/{self.program}"}[self.kind]

    @property
    def words(self):
        if self.kind == "scenario":
            return [f"tests/scenario/{self.program}.py", self.case]
        if self.program.startswith("replay/"):
            seeds = self.program[7:].removesuffix("_fuzz")
            return [self.target, f"tests/fuzz/corpus/{seeds}"]
        return [self.target]


def one_line(text):
    return " ".join(text.split())


def read_table():
    with open(TABLE, encoding="utf-8") as f:
        return [Control(l, i) for i, l in enumerate(f, 1)
                if l.strip() and not l.startswith("#")]


def sources():
    """name -> the product's files that know it."""
    found = {}
    for top in ("agent", "fsproj"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                if not name.endswith((".c", ".cc", ".h")):
                    continue
                path = os.path.relpath(os.path.join(folder, name), ROOT)
                with open(os.path.join(ROOT, path), encoding="utf-8") as f:
                    for weak in NAME.findall(f.read()):
                        found.setdefault(weak, set()).add(path)
    return found


def check_names():
    """One line for what has no control, or controls nothing."""
    table, known = {c.name for c in read_table()}, sources()
    bad = [f"{', '.join(sorted(known[n]))}: WEAKEN_{n}: no line in "
           "tests/lib/controls.tab" for n in sorted(set(known) - table)]
    return bad + [f"tests/lib/controls.tab: {n}: no such WEAKEN_ in the "
                  "sources" for n in sorted(table - set(known))]


# --- building ------------------------------------------------------------------

def link_tree(source, target, dropped):
    """Hard links to every object and archive but the dropped ones."""
    for folder, _, names in os.walk(source):
        to = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(to, exist_ok=True)
        for name in names:
            path = os.path.join(folder, name)
            if not name.endswith(".d") and path not in dropped:
                os.link(path, os.path.join(to, name))


def objects_of(build, files):
    """The objects that were made of any of ${files}, by their .d."""
    out = set()
    for folder, _, names in os.walk(os.path.join(build, "obj")):
        for name in names:
            if not name.endswith(".d"):
                continue
            path = os.path.join(folder, name)
            with open(path, encoding="utf-8") as f:
                if files & set(f.read().split()):
                    out.add(path[:-2] + ".o")
    return out


def build(c, files):
    """The weakened program; what the compiler said when there is none."""
    base = "build/asan" if c.kind == "asan" else "build"
    shutil.rmtree(c.folder, ignore_errors=True)
    dropped = objects_of(base, files)
    for part in ("obj", "lib", "gen"):
        link_tree(f"{base}/{part}", f"{c.folder}/{part}", dropped)
    os.makedirs(f"{c.folder}/test")
    os.symlink("../../../test/tools", f"{c.folder}/test/tools")
    out = subprocess.run(["make", "--no-print-directory", "-s", *c.flags,
                          c.target], capture_output=True, text=True,
                         check=False)
    return out.stderr[-2000:] if out.returncode else None


# --- judging ---------------------------------------------------------------------

def statement(path, line):
    """The statement that ends the lines from ${line} on."""
    with open(path, encoding="utf-8") as f:
        rest = f.readlines()[line - 1:line + 11]
    return one_line("".join(rest).split(";\n")[0])


def judge_unit(c, out):
    if f"not ok 1 - {c.case}" not in out:
        return "the test did not fail"
    found = [statement(p, int(n)) for p, n in WHERE.findall(out)]
    if not found:
        return "it failed, but no assertion did"
    if c.text not in found[0]:
        return f"another assertion failed: {found[0]}"
    return None


def judge_scenario(c, out):
    head = out.split(f" - {c.case} ")[0].split("Traceback")
    if not re.search(rf"^not ok \d+ - {c.case} ", out, re.M):
        return "the test did not fail"
    if len(head) < 2 or "\n# AssertionError" not in head[-1]:
        return "it failed, but no assertion did"
    if c.text not in one_line(head[-1].replace("\n#", " ")):
        return "another assertion failed"
    return None


def judge_asan(c, out):
    found = re.search(r"ERROR: AddressSanitizer: (\S+)", out)
    if not found:
        return "the sanitizer found nothing"
    place = re.search(r"#\d+ \S+ in (\w+) ((?:agent|fsproj)/\S+?):\d", out)
    said = f"{found[1]} {place[2]} {place[1]}" if place else found[1]
    return None if c.text == said else f"it found another: {said}"


def run(c, timeout):
    """None, or why the control does not hold; and the output."""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP", KILLS="12",
               NODESEAL_BUILD=os.path.abspath(c.folder),
               CASE="" if c.kind == "scenario" or c.case == "-" else c.case)
    late = False
    # A file, not a pipe: what a weakened program leaves running holds it open.
    with tempfile.TemporaryFile() as f:
        p = subprocess.Popen(c.words, stdin=subprocess.DEVNULL, env=env,
                             stdout=f, stderr=f, start_new_session=True)
        try:
            p.wait(timeout)
        except subprocess.TimeoutExpired:
            late = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        f.seek(0)
        out = f.read().decode("utf-8", "replace")
    if late:
        return "out of time", out
    if p.returncode < 0:
        return f"ended by signal {-p.returncode}", out
    judge = {"unit": judge_unit, "scenario": judge_scenario,
             "asan": judge_asan}[c.kind]
    return judge(c, out), out


def control(lines, files, timeout):
    """The lines of one name, one after another: they share a folder."""
    results = []
    for c in lines:
        start = time.monotonic()
        why, out = build(c, files), ""
        if why:
            why, out = "it does not build", why
        else:
            why, out = run(c, timeout)
        results.append((c, why, out, time.monotonic() - start))
    if not any(why for _, why, _, _ in results):
        shutil.rmtree(lines[0].folder)
    return results


def tell(n, c, why, out, seconds):
    print(f"{'not ok' if why else 'ok'} {n} - {c.name}: {c.program} {c.case} "
          f"({seconds:.1f} s){': ' + why if why else ''}", flush=True)
    if why:
        print("\n".join("    " + l for l in out.splitlines()[-25:]),
              flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=60)
    parser.add_argument("--names", action="store_true")
    parser.add_argument("name", nargs="*")
    args = parser.parse_args()
    os.chdir(ROOT)
    bad = [] if args.name else check_names()
    for i, line in enumerate(bad, 1):
        print(line if args.names else f"not ok {i} - {line}", flush=True)
    if args.names:
        sys.exit(1 if bad else 0)
    known, table = sources(), {}
    for c in read_table():
        if not args.name or c.name in args.name:
            table.setdefault(c.name, []).append(c)
    n = failed = len(bad)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        jobs = [pool.submit(control, lines, known[name], args.timeout)
                for name, lines in table.items()]
        for job in concurrent.futures.as_completed(jobs):
            for result in job.result():
                n, failed = n + 1, failed + (result[1] is not None)
                tell(n, *result)
    print(f"{n - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
