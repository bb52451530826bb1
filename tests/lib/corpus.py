#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run the value corpus through `nodeseal-job render -o report`.

usage: tests/lib/corpus.py [DIR] [--category abc…] [--show N] [--id ID]
                           [--job PROGRAM] [--allow FILE] [--write-allow]

DIR holds CATEGORY.jsonl or CATEGORY.jsonl.xz (default: tests/vector/corpus;
its README says what the fields mean).  Cases are put into namespaces of their
own and rendered many in a call; cases with cluster-scoped objects or options
get a call each.  With an allowance file (default: allow.txt in DIR) the exit
status is 0 exactly when the cases that differ are the ones listed there: a
regression is red, and so is a case that passes by now but is still listed.
A line of it is `ID GROUP`; groups are explained in comments on top.
"""
import argparse
import collections
import hashlib
import json
import lzma
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
CLUSTER = ("ClusterSecretStore", "ClusterGenerator", "Namespace")
BATCH = 500
ABSENT = object()
# What the recording could not see: a result that holds on the day it was made
# (a Monday), and one that a random vector gives most of the time.
NOT_CERTAIN = {"gD1-00455-date", "gD1-01350-encryptAES"}


def owner(namespace, name):
    text = "%s/%s" % (namespace, name)
    return hashlib.sha3_224(text.encode()).hexdigest()


def load(directory, categories):
    for name in sorted(os.listdir(directory)):
        base = name.split(".")[0]
        if ".jsonl" not in name or (categories and base not in categories):
            continue
        opener = lzma.open if name.endswith(".xz") else open
        with opener(os.path.join(directory, name), "rt") as f:
            for line in f:
                yield json.loads(line)


class Runner:
    def __init__(self, job):
        self.job = job
        self.calls = 0

    def render(self, objects, flags=(), form="report"):
        """The report lines by (namespace, name), or None after a crash."""
        text = json.dumps({"apiVersion": "v1", "kind": "List",
                           "items": objects})
        p = subprocess.run(
            [self.job, "render", "-f", "-", "-o", form, "--class", "default",
             *flags], input=text.encode(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=300)
        self.calls += 1
        if p.returncode not in (0, 1):
            return None
        if form != "report":
            return json.loads(p.stdout)
        out = {}
        for line in p.stdout.decode("utf-8", "surrogatepass").splitlines():
            r = json.loads(line)
            out[(r["namespace"], r["name"])] = r
        return out

    def batch(self, cases):
        """Every case in a namespace of its own; a crash costs one case."""
        objects = []
        for n, case in enumerate(cases):
            objects += moved(case, "c%05d" % n)
        got = self.render(objects)
        if got is None and len(cases) > 1:
            half = len(cases) // 2
            yield from self.batch(cases[:half])
            yield from self.batch(cases[half:])
            return
        for n, case in enumerate(cases):
            c = case["case"]
            namespace = "c%05d" % n
            r = (got or {}).get((namespace, c["name"]))
            yield case, r and back(r, namespace, c), None

    def single(self, case):
        c = case["case"]
        flags = []
        if c.get("options", {}).get("allowGenericTargets"):
            flags.append("--generic-targets")
        objects = moved(case, c["namespace"])
        got = self.render(objects, flags) or {}
        others = None
        if c.get("compare") == "manifest":
            others = self.render(objects, flags, "json")
        return case, got.get((c["namespace"], c["name"])), others


def moved(case, namespace):
    c = case["case"]
    text = json.dumps(c["objects"]).replace(
        owner(c["namespace"], c["name"]), owner(namespace, c["name"]))
    objects = json.loads(text)
    for o in objects:
        if o["kind"] not in CLUSTER:
            o["metadata"]["namespace"] = namespace
    return objects


def back(report, namespace, c):
    text = json.dumps(report).replace(
        owner(namespace, c["name"]), owner(c["namespace"], c["name"]))
    return json.loads(text.replace(namespace, c["namespace"]))


def is_alone(case):
    c = case["case"]
    return bool(c.get("options") or c.get("compare") == "manifest" or any(
        o["kind"] in CLUSTER for o in c["objects"]))


def uses_store(case, name):
    es = [o for o in case["case"]["objects"] if o["kind"] == "ExternalSecret"]
    return any('"name": "%s"' % name in json.dumps(o["spec"]) for o in es)


def differences(case, got, others):
    """What is not as ESO has it, as (field, want, have)."""
    if got is not None and case["case"]["id"] in NOT_CERTAIN:
        return []
    c, want = case["case"], case["expect"]
    if got is None:
        return [("crash", "an answer", None)]
    refused = [a for a in want.get("admission") or []
               if a["object"].startswith("ExternalSecret/")
               or uses_store(case, a["object"].split("/", 1)[1])]
    if refused:
        # We refuse beforehand what ESO's webhook or the API server refuses.
        if got["outcome"] != "rejected":
            return [("outcome", "rejected: " + refused[0]["message"],
                     got["outcome"])]
        texts = [re.sub(r'^\S+ "[^"]*" is invalid: ', "", a["message"])
                 for a in refused]
        if not any(all(line in (got["error"] or "")
                       for line in t.split("\n")) for t in texts):
            return [("rejected", texts, got["error"])]
        return []
    if want["outcome"] == "rejected":
        return [] if got["outcome"] == "rejected" else [
            ("outcome", "rejected", got["outcome"])]
    skip = set(want.get("volatile") or ())
    out = []
    for field in ("outcome", "written", "ready", "error", "binding",
                  "events"):
        if field in skip:
            continue
        a, b = want.get(field), got.get(field)
        if field == "events":
            a, b = a or [], b or []
        if a != b:
            out.append((field, a, b))
    if "secret" not in skip:
        out += secret_differences(c, want.get("secret"), got.get("secret"))
    if others is not None and want["written"]:
        out += manifest_differences(want, others)
    return out


def secret_differences(c, want, have):
    if (want is None) != (have is None):
        return [("secret", want, have)]
    if want is None:
        return []
    out = []
    for k in ("name", "type", "labels", "annotations", "data", "immutable",
              "owners", "finalizers"):
        a, b = want.get(k), have.get(k)
        if (a or None) != (b or None) and not (a is False and b is False):
            out.append(("secret." + k, a, b))
    return out


def manifest_differences(want, printed):
    items = printed["items"]
    for o in items:
        o["metadata"].pop("namespace", None)
        for r in o["metadata"].get("ownerReferences", []):
            r.pop("uid", None)
    made = [o for o in want.get("others") or [] if "deleted" not in o]
    if made == items:
        return []
    return [("manifest", made, items)]


def run(cases, job):
    runner = Runner(job)
    many = [c for c in cases if not is_alone(c)]
    for i in range(0, len(many), BATCH):
        yield from runner.batch(many[i:i + BATCH])
    for case in cases:
        if is_alone(case):
            yield runner.single(case)


def needs_engine(case):
    """Does the case hold a template that has something to execute?"""
    for o in case["case"]["objects"]:
        if o["kind"] in ("ExternalSecret", "ConfigMap"):
            if "{{" in json.dumps(o):
                return True
        if o["kind"] == "Secret" and "data" in o:
            import base64
            for v in o["data"].values():
                try:
                    if b"{{" in base64.b64decode(v):
                        return True
                except ValueError:
                    pass
    return False


def read_allow(path):
    allowed = collections.OrderedDict()
    if path and os.path.exists(path):
        with open(path) as f:
            for line in f:
                words = line.split("#")[0].split()
                if words:
                    allowed[words[0]] = words[1] if len(words) > 1 else "-"
    return allowed


def group(case):
    if needs_engine(case):
        return "templates"
    text = json.dumps(case)
    return "nul" if "\\u0000" in text else "other"


def write_allow(path, failed):
    comments = []
    if os.path.exists(path):
        with open(path) as f:
            comments = [line for line in f if line.startswith("#")]
    with open(path, "w") as f:
        f.writelines(comments)
        for id_, case in sorted(failed.items()):
            f.write("%s %s\n" % (id_, group(case)))


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    ap.add_argument("dir", nargs="?",
                    default=os.path.join(ROOT, "tests/vector/corpus"))
    ap.add_argument("--category", default="")
    ap.add_argument("--id")
    ap.add_argument("--show", type=int, default=0)
    ap.add_argument("--job", default=os.environ.get(
        "NODESEAL_JOB", os.path.join(os.environ.get(
            "NODESEAL_BUILD", os.path.join(ROOT, "build")), "nodeseal-job")))
    ap.add_argument("--allow")
    ap.add_argument("--write-allow", action="store_true")
    args = ap.parse_args()
    allow = args.allow or os.path.join(args.dir, "allow.txt")

    cases = [c for c in load(args.dir, args.category)
             if not args.id or c["case"]["id"] == args.id]
    total = collections.Counter(c["case"]["category"] for c in cases)
    bad = collections.Counter()
    reasons = collections.Counter()
    failed = {}
    shown = 0
    for case, got, others in run(cases, args.job):
        diff = differences(case, got, others)
        if not diff:
            continue
        c = case["case"]
        failed[c["id"]] = case
        bad[c["category"]] += 1
        reasons[(c["category"], diff[0][0])] += 1
        if shown < args.show and not (needs_engine(case) and not args.id):
            shown += 1
            print("--- %s" % c["id"])
            for field, want, have in diff:
                print("    %s\n      want %s\n      have %s" % (
                    field, json.dumps(want), json.dumps(have)))
    for k in sorted(total):
        engine = sum(1 for c in failed.values()
                     if c["case"]["category"] == k and needs_engine(c))
        print("%s: %5d cases, %5d differ, %5d of them need the template "
              "engine" % (k, total[k], bad[k], engine))
    if args.write_allow:
        write_allow(allow, failed)
        return 0
    allowed = read_allow(allow)
    known = {c["case"]["id"] for c in cases}
    worse = sorted(set(failed) - set(allowed))
    better = sorted((set(allowed) & known) - set(failed))
    for id_ in worse[:20]:
        print("differs, and is not in %s: %s" % (allow, id_))
    for id_ in better[:20]:
        print("passes: take it out of %s: %s" % (allow, id_))
    print("corpus: %d cases, %d differ as listed, %d worse, %d better" % (
        len(cases), len(failed) - len(worse), len(worse), len(better)))
    return 1 if worse or better else 0


if __name__ == "__main__":
    sys.exit(main())
