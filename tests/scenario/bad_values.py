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


def render_file(path, err=subprocess.DEVNULL):
    """(reports by name, CPU seconds, peak MiB)."""
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen(
            [os.path.join(BUILD, "nodeseal"), "render", "-f", path,
             "-o", "report"], stdout=out, stderr=err)
        _, status, usage = os.wait4(p.pid, 0)
        assert os.WIFEXITED(status) and os.WEXITSTATUS(status) in (0, 1), \
            status
        out.seek(0)
        reports = {r["name"]: r for r in map(json.loads, out)}
    return reports, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def render(*texts):
    with tempfile.TemporaryDirectory() as scratch:
        path = os.path.join(scratch, "m.yaml")
        with open(path, "wb") as f:
            f.write(documents(*texts).encode("utf-8", "surrogateescape"))
        return render_file(path)


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


MIB = "x" * (1 << 20)
BIG = f"""apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {{name: store, namespace: default}}
spec:
  provider:
    fake:
      data:
      - {{key: v, value: hello}}
      - key: big
        value: '{{"a":"{MIB}","b":"1"}}'
"""


def large_file(f, mib, *texts):
    """A store whose value "big" has so many MiB.  A child's peak of memory
    begins with its parent's: the value is never held here."""
    head, tail = BIG.split(MIB)
    f.write(head)
    for _ in range(mib):
        f.write(MIB)
    f.write(tail)
    for text in texts:
        f.write("---\n" + text)
    f.flush()


def from_store(name, **spec):
    return json.dumps({
        "apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"secretStoreRef": {"name": "store"}, **spec}}) + "\n"


def test_large_values():
    """100 MiB: read, decoded, searched and rewritten; too large for a
    Secret, and said so in ESO's words."""
    too_long = "data: Too long: may not be more than 1048576 bytes"
    ref = {"key": "big"}
    big = [{"secretKey": "v", "remoteRef": ref}]
    cases = {
        "plain": ({"data": big}, too_long),
        "property": ({"data": [{"secretKey": "v", "remoteRef": {
            **ref, "property": "b"}}]}, None),
        "decoded": ({"data": [{"secretKey": "v", "remoteRef": {
            **ref, "property": "a", "decodingStrategy": "Base64"}}]},
            too_long),
        "rewritten": ({"dataFrom": [{"extract": ref, "rewrite": [
            {"regexp": {"source": "(.)", "target": "k_$1"}}]}]}, too_long),
        "searched": ({"data": big, "target": {"template": {"data": {
            "out": '{{ regexMatch "x+y$" .v }}'}}}}, None),
        "printed": ({"data": big, "target": {"template": {"data": {
            "out": "{{ .v | upper }}"}}}}, "prints more than 4194304 bytes"),
        "good": ({"data": [{"secretKey": "v", "remoteRef": {"key": "v"}}]},
                 None),
    }
    with tempfile.NamedTemporaryFile("w") as f:
        large_file(f, 100, *[from_store(n, **spec)
                             for n, (spec, _) in cases.items()])
        reports, cpu, peak = render_file(f.name)
    for name, (_, error) in cases.items():
        r = reports[name]
        assert r["outcome"] == ("failed" if error else "ready"), (
            name, r["error"])
        assert error is None or error in r["error"], (name, r["error"][-200:])
        assert len(r["error"] or "") < 10000
    assert cpu < CPU_S and peak < MEMORY_MIB, (cpu, peak)


def test_larger_file():
    """More than is read at all is refused as a whole, with the number."""
    with tempfile.NamedTemporaryFile("w") as f, \
            tempfile.TemporaryFile() as err:
        large_file(f, 200, from_store("es", data=[]))
        reports, cpu, peak = render_file(f.name, err)
        err.seek(0)
        said = err.read().decode()
    assert reports == {} and said.endswith(
        "input is larger than 201326592 bytes\n"), (reports, said)
    assert cpu < CPU_S and peak < MEMORY_MIB, (cpu, peak)


TOO_LONG = "looking for all matches takes too long"


def cost(make, n):
    """CPU seconds."""
    r, cpu, _ = render(*make(n))
    error = r["es"]["error"] or TOO_LONG
    # A key of a Secret has 253 characters at most.
    assert TOO_LONG in error or "but max is 253" in error, error[-300:]
    return cpu


def in_template(text):
    return lambda n: (fake_store({"v": "a" * n}), with_template("es", text))


def in_rewrite(source):
    """Over a key of that length."""
    return lambda n: (
        fake_store({"v": json.dumps({"a" * n: "1"})}),
        from_store("es", dataFrom=[{"extract": {"key": "v"}, "rewrite": [
            {"regexp": {"source": source, "target": "k"}}]}]))


def test_linear():
    """Four times the text is not sixteen times the work, whatever the
    pattern.  Looking for all matches is quadratic in Go, where each search
    runs to the end and comes back (a*b|a): here it ends with an error."""
    for make in (
            in_template('{{ regexMatch "(a*)*b" .v }}'),
            in_template('{{ regexMatch "(a|aa)+$" .v }}'),
            in_template('{{ regexMatch "a{1,900}(b|a{900}c)" .v }}'),
            in_template('{{ regexFind "(a|a)*(aa|b)*c" .v }}'),
            in_template('{{ regexFindAll "(a?){30}" .v -1 | len }}'),
            in_template('{{ regexFindAll "a*b|a" .v -1 | len }}'),
            in_template('{{ regexReplaceAll "(a|a)*c" .v "" | len }}'),
            in_template('{{ regexReplaceAll "a*b|(a)" .v "$1" | len }}'),
            in_template('{{ regexReplaceAllLiteral "a.*b|a" .v "" | len }}'),
            in_template('{{ regexSplit "(a?){20}b" .v -1 | len }}'),
            in_template('{{ regexSplit "a*b|a" .v -1 | len }}'),
            in_rewrite("(a*)*b|^.*$"), in_rewrite("a*b|a")):
        for _ in range(3):
            one, four = cost(make, 20000), cost(make, 80000)
            if four < 8 * max(one, 0.05):
                break
        else:
            raise AssertionError((make(1)[1], one, four))


def test_check():
    """What does not parse is named with line and column, before anything
    runs: the value's line in the file, then the place within the value."""
    text = """apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: bad, namespace: shop}
spec:
  target:
    template:
      data:
        a: "{{ .x | nope }}"
        b: |
          é {{ if .x }}
          {{- end }}{{ "unclosed }}
  dataFrom:
  - extract: {key: k}
    rewrite:
    - regexp: {source: "äa(", target: x}
    - transform: {template: "{{ .value"}
"""
    out = subprocess.run(
        [os.path.join(BUILD, "nodeseal"), "check", "-f", "-"], input=text,
        stdout=subprocess.PIPE, text=True, check=False).stdout
    for line, field, what in (
            (8, "spec.target.template.data.a",
             'line 1, column 9: template: spec.target.template.data.a:1: '
             'function "nope" not defined'),
            (9, "spec.target.template.data.b",
             'line 2, column 14: template: spec.target.template.data.b:2: '
             'unterminated quoted string'),
            (15, "spec.dataFrom[0].rewrite[0].regexp.source",
             "line 1, column 4: error parsing regexp: missing closing ): "
             "`äa(`: correct the pattern (RE2 syntax)"),
            (16, "spec.dataFrom[0].rewrite[1].transform.template",
             "line 1, column 10: template: spec.dataFrom[0].rewrite[1]."
             "transform.template:1: unclosed action")):
        assert f"-:{line}: shop/bad: {field}: {what}" in out.splitlines(), \
            (line, out)
    out = subprocess.run(
        [os.path.join(BUILD, "nodeseal"), "check", "-f", "-"],
        input="a: b\nc: {d: [e\n f: g\n", stdout=subprocess.PIPE, text=True,
        check=False).stdout
    assert out == "-:3: column 3: did not find expected ',' or ']'\n", out


if __name__ == "__main__":
    main(globals())
