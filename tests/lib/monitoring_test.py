#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The dashboard and the alert rules: every expression parses as PromQL, and
names only metrics that the agent has; what is said to work with External
Secrets Operator names only ESO's."""
import json
import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PLACE = os.path.join(ROOT, "daemonset/components/monitoring")
# reference: ESO's docs, "Metrics".
ESO = {"externalsecret_sync_calls_total", "externalsecret_sync_calls_error",
       "externalsecret_status_condition", "externalsecret_reconcile_duration",
       "externalsecret_provider_api_calls_count",
       "secretstore_status_condition", "clustersecretstore_status_condition"}
TOKEN = re.compile(r'\s*(?:(\d+[smhdwy](?:\d+[smhdwy])*|\$__\w+)'
                   r'|(\d+(?:\.\d+)?(?:e[+-]?\d+)?)'
                   r'|([A-Za-z_:][\w:]*)|("(?:[^"\\]|\\.)*")'
                   r'|(=~|!~|!=|==|<=|>=|[-+*/%^<>=(){}\[\],]))')
AGGREGATIONS = {"sum", "min", "max", "avg", "count", "topk", "bottomk"}
FUNCTIONS = {"rate": "range", "increase": "range", "vector": "scalar",
             "histogram_quantile": "two", "time": "none"}


class PromQL:
    """A parser of as much of PromQL as we write; says which metrics and
    labels it met."""

    def __init__(self, text):
        self.tokens, at = [], 0
        while text[at:].strip():
            m = TOKEN.match(text, at)
            if not m:
                raise SyntaxError(f"at {at}: {text[at:at + 20]!r}")
            kind = next(i for i in range(1, 6) if m.group(i) is not None)
            self.tokens.append(("duration", "number", "name", "string",
                                "sign")[kind - 1:kind] + (m.group(kind),))
            at = m.end()
        self.metrics = set()
        self.at = 0
        self.binary()
        if self.at != len(self.tokens):
            raise SyntaxError(f"more than an expression: {self.look()}")

    def look(self):
        return (self.tokens + [("end", "")])[self.at]

    def take(self, *wanted):
        kind, value = self.look()
        if value not in wanted and kind not in wanted:
            raise SyntaxError(f"{value!r}, not one of {wanted}")
        self.at += 1
        return value

    def binary(self):
        self.unary()
        while self.look()[1] in ("+", "-", "*", "/", "%", "^", "==", "!=",
                                 "<", ">", "<=", ">=", "and", "or", "unless"):
            self.at += 1
            if self.look()[1] in ("on", "ignoring"):
                self.at += 1
                self.labels()
            self.unary()

    def labels(self):
        self.take("(")
        while self.look()[1] != ")":
            self.take("name")
            if self.look()[1] == ",":
                self.at += 1
        self.take(")")

    def unary(self):
        if self.look()[1] == "-":
            self.at += 1
        kind, value = self.look()
        if kind == "number":
            self.at += 1
        elif value == "(":
            self.at += 1
            self.binary()
            self.take(")")
        else:
            self.named(self.take("name"))

    def named(self, name):
        after = self.look()[1]
        if name in AGGREGATIONS and after in ("(", "by", "without"):
            if after != "(":
                self.at += 1
                self.labels()
            self.take("(")
            if name in ("topk", "bottomk"):
                self.take("number")
                self.take(",")
            self.binary()
            self.take(")")
        elif after == "(":
            if name not in FUNCTIONS:
                raise SyntaxError(f"{name}: no such function here")
            self.call(FUNCTIONS[name])
        else:
            self.selector(name)

    def call(self, kind):
        self.take("(")
        if kind == "range":
            self.selector(self.take("name"), True)
        elif kind == "two":
            self.take("number")
            self.take(",")
            self.binary()
        elif kind == "scalar":
            self.take("number")
        self.take(")")

    def selector(self, name, ranged=False):
        self.metrics.add(name)
        if self.look()[1] == "{":
            self.at += 1
            while self.look()[1] != "}":
                self.take("name")
                self.take("=", "!=", "=~", "!~")
                re.compile(json.loads(self.take("string")))
                if self.look()[1] == ",":
                    self.at += 1
            self.take("}")
        if ranged:
            self.take("[")
            self.take("duration")
            self.take("]")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def known():
    """The metrics that the agent's sources print."""
    found = set()
    for path in ("core/report_metrics.c", "link/report.c", "link/event.c",
                 "link/httpd.c", "link/serve.c"):
        text = read(os.path.join(ROOT, "agent", path))
        found |= set(re.findall(r"\b((?:nodeseal|externalsecret|secretstore|"
                                r"clustersecretstore)_[a-z_]+)\b", text))
    return found | {f"{n}_bucket" for n in found}


def check(where, text, names):
    try:
        used = PromQL(text).metrics
    except SyntaxError as e:
        raise AssertionError(f"{where}: {text}: {e}") from e
    assert used, (where, text)
    assert used <= names, (where, used - names)


def test_the_parser_refuses_nonsense():
    for text in ("sum(", "rate(a)", "rate(a[5x])", "a{b=c}", "a b", "f(a)",
                 "sum by namespace (a)", 'a{b="c}', "max(a) ==", "a[5m"):
        try:
            PromQL(text)
        except SyntaxError:
            continue
        raise AssertionError(f"taken: {text}")
    assert PromQL('topk(3, max by (a) (x{b=~"c|d"}) == 0) / 1e9 or vector(0)'
                  ).metrics == {"x"}


def test_dashboard():
    d = json.loads(read(os.path.join(PLACE, "dashboard.json")))
    ids = [p["id"] for p in d["panels"]]
    assert len(set(ids)) == len(ids) > 10
    names, n = ESO, 0
    assert ESO <= known(), ESO - known()
    taken = set()
    for p in d["panels"]:
        g = p["gridPos"]
        cells = {(x, y) for x in range(g["x"], g["x"] + g["w"])
                 for y in range(g["y"], g["y"] + g["h"])}
        assert g["x"] + g["w"] <= 24 and not cells & taken, p["title"]
        taken |= cells
        if p["type"] == "row":
            # Above the second row everything works with ESO alone.
            names = ESO if n == 0 else known()
            n += 1
            continue
        assert p["targets"], p["title"]
        for t in p["targets"]:
            check(p["title"], t["expr"], names)
    assert n == 2
    variables = {v["name"] for v in d["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]\w*)", json.dumps(d["panels"])))
    assert used <= variables, used - variables


def test_rules():
    text = read(os.path.join(PLACE, "rules.yaml"))
    groups = re.split(r"^    - name: ", text, flags=re.M)[1:]
    assert [g.split("\n")[0] for g in groups] == ["external-secrets",
                                                  "nodeseal"]
    seen = set()
    for g, names in zip(groups, (ESO, known())):
        for rule in re.split(r"^        - alert: ", g, flags=re.M)[1:]:
            name = rule.split("\n")[0]
            assert re.fullmatch(r"[A-Z]\w+", name) and name not in seen, name
            seen.add(name)
            fields = dict(re.findall(r"^          (\w+): ?(.*)$", rule, re.M))
            assert set(fields) <= {"expr", "for", "labels", "annotations"}
            check(name, fields["expr"], names)
            assert re.fullmatch(r"\d+m", fields.get("for", "1m")), name
            assert re.search(r"severity: (warning|critical)\}",
                             fields["labels"]), name
            assert re.search(r"^            summary: \S", rule, re.M), name
            # A plain scalar must not hold what ends it.
            for value in re.findall(r"^            \w+: ([^\"\n].*)$", rule,
                                    re.M):
                assert ": " not in value and " #" not in value, value
                assert not value.startswith("{"), value
            for label in re.findall(r"\$labels\.(\w+)", rule):
                assert label in fields["expr"] or label == "node", \
                    (name, label)
    assert len(seen) >= 9, seen


def main():
    tests = [(n, f) for n, f in sorted(globals().items())
             if n.startswith("test_")]
    print(f"1..{len(tests)}")
    bad = 0
    for i, (name, f) in enumerate(tests, 1):
        try:
            f()
            print(f"ok {i} - {name}")
        except AssertionError as e:
            bad = 1
            print(f"# {e}\nnot ok {i} - {name}")
    sys.exit(bad)


if __name__ == "__main__":
    main()
