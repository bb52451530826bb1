#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The value corpus once more, renamed where the result must follow.

usage: tests/lib/corpus_renamed.py [DIR] [--seed N] [--job PROGRAM]

An answer that was learnt by heart fails here.  Two renamings, each by a
seeded permutation of letters and of digits:

names   remote keys, and names of stores: nothing but texts that name them may
        change.  For cases that look keys up by name (not dataFrom.find, whose
        order and patterns see names), when no value holds a name.
values  keys of the Secret, and the values themselves: for ExternalSecrets of
        spec.data alone, without properties or decoding, whose templates (if
        any) are text and `{{ .key }}`; the data and its hash are computed
        here, after the computed form was held against the case's own result.
"""
import argparse
import base64
import hashlib
import json
import os
import random
import re
import string
import sys

import corpus

PLAIN = re.compile(r"\{\{ ?\.([A-Za-z_][A-Za-z0-9_]*) ?\}\}")
HASH = "reconcile.external-secrets.io/data-hash"


def permutation(seed):
    r = random.Random(seed)
    table = {}
    for letters in (string.ascii_lowercase, string.ascii_uppercase,
                    string.digits):
        # Nothing stays as it is.
        turn = r.randrange(1, len(letters))
        table.update(zip(letters, letters[turn:] + letters[:turn]))
    return str.maketrans(table)


def the_kind(case, kind):
    return [o for o in case["case"]["objects"] if o["kind"] == kind]


# --- names --------------------------------------------------------------------

def names_of(case):
    out = set()
    for o in the_kind(case, "SecretStore"):
        out.add(o["metadata"]["name"])
        fake = (o["spec"].get("provider") or {}).get("fake") or {}
        out |= {d["key"] for d in fake.get("data") or [] if d.get("key")}
    return out


def strings(x):
    if isinstance(x, str):
        yield x
    elif isinstance(x, dict):
        for k, v in x.items():
            yield k
            yield from strings(v)
    elif isinstance(x, list):
        for v in x:
            yield from strings(v)


def names_renamed(case, table):
    """A case with other names, or None when it is not sure to follow."""
    c = case["case"]
    text = json.dumps(c["objects"])
    names = {n for n in names_of(case)
             if re.fullmatch(r"[a-z0-9]+-[a-z0-9-]*[a-z0-9]", n)}
    if corpus.is_alone(case) or not names or '"find"' in text:
        return None
    # Only as a whole, in the objects: never a part of anything else.
    for s in strings(c["objects"]):
        if s not in names and any(n in s for n in names):
            return None
    # Their place among the others must not decide.
    new = {n: "q-" + n.translate(table) for n in sorted(names)}
    if len(set(new.values())) < len(new) or any(
            v in text or v in json.dumps(case["expect"])
            for v in new.values()):
        return None
    changed = json.loads(json.dumps(case))
    changed["case"]["objects"] = replaced(c["objects"], new)
    for field in ("error", "ready", "admission"):
        changed["expect"][field] = replaced_in(case["expect"].get(field),
                                               new)
    return changed


def replaced(x, new):
    if isinstance(x, str):
        return new.get(x, x)
    if isinstance(x, dict):
        return {k: replaced(v, new) for k, v in x.items()}
    if isinstance(x, list):
        return [replaced(v, new) for v in x]
    return x


def replaced_in(x, new):
    if x is None:
        return None
    pattern = "|".join(re.escape(n) for n in sorted(new, key=len,
                                                    reverse=True))
    return json.loads(re.sub(pattern, lambda m: new[m[0]], json.dumps(x)))


# --- values -------------------------------------------------------------------

def data_hash(data):
    """esutils.ObjectHash: of Go's %+v of a map[string][]byte."""
    text = "map[" + " ".join(
        k + ":[" + " ".join(str(b) for b in data[k]) + "]"
        for k in sorted(data, key=lambda k: k.encode())) + "]"
    return hashlib.sha3_224(text.encode()).hexdigest()


def direct(case):
    """(store's values, entries, templates or None), or None."""
    c = case["case"]
    es, = the_kind(case, "ExternalSecret")
    spec = es["spec"]
    kinds = {o["kind"] for o in c["objects"]}
    stores = the_kind(case, "SecretStore")
    if kinds != {"ExternalSecret", "SecretStore"} or len(stores) != 1 or \
            spec.get("dataFrom") or not spec.get("data"):
        return None
    values = {}
    for d in stores[0]["spec"].get("provider", {}).get("fake", {}).get(
            "data") or []:
        if set(d) != {"key", "value"} or d["key"] in values:
            return None
        values[d["key"]] = d["value"]
    entries = {}
    for d in spec["data"]:
        ref = d.get("remoteRef") or {}
        if set(d) != {"secretKey", "remoteRef"} or set(ref) != {"key"} or \
                ref["key"] not in values or d["secretKey"] in entries:
            return None
        entries[d["secretKey"]] = ref["key"]
    template = spec.get("target", {}).get("template")
    if template is None:
        return values, entries, None
    if set(template) != {"data"} or any(
            "{{" in PLAIN.sub("", t) or "}}" in PLAIN.sub("", t)
            for t in template["data"].values()):
        return None
    return values, entries, template["data"]


def data_of(values, entries, templates):
    have = {k: values[r] for k, r in entries.items()}
    if templates is None:
        return {k: v.encode() for k, v in have.items()}
    return {k: PLAIN.sub(lambda m: have[m[1]], t).encode()
            for k, t in templates.items()}


def is_result(case, data):
    secret = case["expect"].get("secret")
    return secret is not None and secret["annotations"].get(HASH) == \
        data_hash(data) and secret["data"] == {
            k: base64.b64encode(v).decode() for k, v in data.items()}


def values_renamed(case, table):
    if corpus.is_alone(case) or case["expect"]["outcome"] != "ready" or \
            len(the_kind(case, "ExternalSecret")) != 1:
        return None
    found = direct(case)
    try:
        if found is None or not is_result(case, data_of(*found)):
            return None
    except (KeyError, UnicodeEncodeError):
        return None
    values, entries, templates = found
    changed = json.loads(json.dumps(case))
    es, = the_kind(changed, "ExternalSecret")
    store, = the_kind(changed, "SecretStore")
    for d in store["spec"]["provider"]["fake"]["data"]:
        d["value"] = d["value"].translate(table)
    for d in es["spec"]["data"]:
        d["secretKey"] = d["secretKey"].translate(table)
    values = {k: v.translate(table) for k, v in values.items()}
    entries = {k.translate(table): v for k, v in entries.items()}
    if templates is not None:
        templates = {k.translate(table): PLAIN.sub(
            lambda m: m[0].translate(table), t)
            for k, t in templates.items()}
        es["spec"]["target"]["template"]["data"] = templates
    data = data_of(values, entries, templates)
    secret = changed["expect"]["secret"]
    secret["data"] = {k: base64.b64encode(v).decode()
                      for k, v in data.items()}
    secret["annotations"][HASH] = data_hash(data)
    return changed


def main():
    ap = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1])
    ap.add_argument("dir", nargs="?", default=os.path.join(
        corpus.ROOT, "tests/vector/corpus"))
    ap.add_argument("--seed", type=int, default=20261124)
    ap.add_argument("--job", default=os.path.join(os.environ.get(
        "NODESEAL_BUILD", os.path.join(corpus.ROOT, "build")),
        "nodeseal-job"))
    args = ap.parse_args()
    table = permutation(args.seed)
    allowed = corpus.read_allow(os.path.join(args.dir, "allow.txt"))
    cases = [c for c in corpus.load(args.dir, "")
             if c["case"]["id"] not in allowed
             and c["case"]["id"] not in corpus.NOT_CERTAIN]
    failed = 0
    for name, rename, least in (("names", names_renamed, 2500),
                                ("values", values_renamed, 30)):
        changed = [x for x in (rename(c, table) for c in cases) if x]
        if len(changed) < least:
            sys.exit(f"{name}: only {len(changed)} cases")
        bad = 0
        for case, got, others in corpus.run(changed, args.job):
            diff = corpus.differences(case, got, others)
            bad += bool(diff)
            if diff and bad <= 5:
                print(case["case"]["id"], json.dumps(diff[0])[:600])
        print(f"{name}: {len(changed)} of {len(cases)} cases renamed, "
              f"{bad} differ")
        failed += bad
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
