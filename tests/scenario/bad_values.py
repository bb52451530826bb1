#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Hostile templates, patterns, paths and values through `nodeseal render`.

Each ends with a verdict of its own (an error that is said, or a result),
within bounded time and memory, and the good ExternalSecret beside it is
rendered all the same.  Patterns and paths take time in proportion to what
they read: four times the text, not sixteen times the work.
"""
import json
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import (BUILD, documents, external_secret,  # noqa: E402
                      fake_store, main)

MEMORY_MIB = 4096 if "asan" in BUILD else 1024
CPU_S = 60	# of the sanitizers, too


def render(*texts):
    """(reports by name, CPU seconds, peak MiB)."""
    with tempfile.TemporaryDirectory() as scratch:
        path, out = (os.path.join(scratch, n) for n in ("m.yaml", "out"))
        with open(path, "wb") as f:
            f.write(documents(*texts).encode("utf-8", "surrogateescape"))
        with open(out, "wb") as f:
            p = subprocess.Popen(
                [os.path.join(BUILD, "nodeseal"), "render", "-f", path,
                 "-o", "report"], stdout=f, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(p.pid, 0)
        assert os.WIFEXITED(status) and os.WEXITSTATUS(status) in (0, 1), \
            status
        with open(out, encoding="utf-8") as f:
            reports = {r["name"]: r for r in map(json.loads, f)}
    return reports, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def with_template(name, text):
    return external_secret(name, {"v": "v"}, target={
        "template": {"data": {"out": text}}})


def hold(cases, value="hello"):
    """name -> (object, part of the error; None: a result)."""
    good = external_secret("good", {"v": "v"})
    reports, cpu, peak = render(fake_store({"v": value}),
                                *[o for o, _ in cases.values()], good)
    assert reports["good"]["outcome"] == "ready"
    for name, (_, error) in cases.items():
        r = reports[name]
        if error is None:
            assert r["outcome"] == "ready", (name, r["error"])
        else:
            assert r["outcome"] in ("failed", "rejected"), (name, r)
            assert error in (r["error"] or ""), (name, r["error"][-300:])
    assert cpu < CPU_S and peak < MEMORY_MIB, (cpu, peak)


def test_templates():
    texts = {
        "repeat": ('{{ repeat 1000000000 "x" }}', "memory"),
        "doubling": ("{{ $x := .v }}{{ range until 60 }}{{ $x = print $x $x "
                     "}}{{ end }}{{ len $x }}", "more than"),
        "recursion": ('{{ define "r" }}{{ template "r" . }}{{ end }}'
                      '{{ template "r" . }}', "exceeded maximum template "
                      "depth"),
        "block": ('{{ block "b" . }}{{ template "b" . }}{{ end }}',
                  "exceeded maximum template depth"),
        "parens": ("{{ " + "(" * 20000 + ".v" + ")" * 20000 + " }}", ""),
        "nested": ("{{ if .v }}" * 20000 + "{{ end }}" * 20000, ""),
        "endless": ("{{ range until 1000000000 }}{{ end }}", ""),
        "itself": ('{{ $d := dict }}{{ $_ := set $d "a" $d }}{{ $d }}', ""),
        "json": ('{{ fromJson (print (repeat 100000 "[") (repeat 100000 '
                 '"]")) }}', None),
        "pattern": ('{{ mustRegexMatch "(x{1000}){1000}" "x" }}',
                    "error parsing regexp"),
        "unclosed": ("{{ " * 10000, ""),
    }
    hold({n: (with_template(n, t), e) for n, (t, e) in texts.items()})


def test_bytes():
    """Bytes that are no UTF-8, and NUL, in values."""
    texts = {
        "quote": '{{ .v | b64dec | quote }}', "json": '{{ .v | b64dec | '
        'toJson }}', "upper": '{{ .v | b64dec | upper | b64enc }}',
        "find": '{{ regexFindAll "." (.v | b64dec) -1 | len }}',
        "raw": "{{ .v | b64dec }}", "trim": '{{ .v | b64dec | trunc 3 }}',
    }
    hold({n: (with_template(n, t), None) for n, t in texts.items()},
         "/wD+w4BB7aCAAA==")


def test_large_value():
    """Too large for a Secret, and said so."""
    value = "x" * (50 << 20)
    reports, cpu, peak = render(
        fake_store({"big": value, "v": "hello"}),
        external_secret("large", {"v": "big"}),
        external_secret("upper", {"v": "big"}, target={
            "template": {"data": {"out": "{{ .v | upper }}"}}}),
        external_secret("good", {"v": "v"}))
    assert reports["good"]["outcome"] == "ready"
    for name in ("large", "upper"):
        assert reports[name]["outcome"] == "failed", reports[name]["outcome"]
        assert len(reports[name]["error"]) < 10000
    assert cpu < CPU_S and peak < MEMORY_MIB, (cpu, peak)


def cost(text, value):
    """CPU seconds, the lesser of two."""
    made = [render(fake_store({"v": value}), with_template("es", text))
            for _ in range(2)]
    assert all(r["es"]["outcome"] == "ready" for r, _, _ in made), made[0]
    return min(cpu for _, cpu, _ in made)


def test_linear():
    """Four times the text is not sixteen times the work of one search.  (As
    in Go, regexFindAll is as many searches as it finds matches.)"""
    for text in ('{{ regexMatch "(a*)*b" .v }}',
                 '{{ regexMatch "(a|aa)+$" .v }}',
                 '{{ regexReplaceAll "(a|a)*c" .v "" | len }}',
                 '{{ regexSplit "(a?){20}b" .v -1 | len }}'):
        base = cost("{{ .v | len }}", "a")
        one = cost(text, "a" * 20000) - base
        four = cost(text, "a" * 80000) - base
        assert four < 8 * max(one, 0.05), (text, one, four)


def test_check():
    """What does not parse is named with its line, before anything runs."""
    text = """apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: bad, namespace: shop}
spec:
  target:
    template:
      data:
        a: "{{ .x | nope }}"
  dataFrom:
  - extract: {key: k}
    rewrite:
    - regexp: {source: "a(b", target: x}
    - transform: {template: "{{ .value"}
"""
    out = subprocess.run(
        [os.path.join(BUILD, "nodeseal"), "check", "-f", "-"], input=text,
        stdout=subprocess.PIPE, text=True, check=False).stdout
    for line, field, what in (
            (8, "spec.target.template.data.a",
             'function "nope" not defined'),
            (12, "spec.dataFrom[0].rewrite[0].regexp.source",
             "missing closing )"),
            (13, "spec.dataFrom[0].rewrite[1].transform.template",
             "unclosed action")):
        assert any(x.startswith(f"-:{line}: shop/bad: {field}: ")
                   and what in x for x in out.splitlines()), (line, out)


if __name__ == "__main__":
    main(globals())
