#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Format of the C sources: 80 columns (a tab is 8), no space at a line's end,
tabs for indenting, a return type on its own line.  usage: format.py ROOT"""
import os
import re
import sys

ONE_LINE = re.compile(r"^(static |const |struct |unsigned |u?int\w* |void |char )"
                      r"[\w \*]*[ \*]\w+\([^;]*\)\s*$")


def check(rel, text):
    bad = []
    lines = text.split("\n")
    for i, line in enumerate(lines, 1):
        # A text for people may keep its width between the quotes.
        if len(line.expandtabs(8)) > 80 and not line.startswith('"'):
            bad.append(f"{rel}:{i}: longer than 80 columns")
        if line != line.rstrip():
            bad.append(f"{rel}:{i}: white space at the end")
        if line.startswith("        "):
            bad.append(f"{rel}:{i}: indented with spaces")
        if (rel.endswith(".c") and ONE_LINE.match(line) and i < len(lines)
                and lines[i] == "{"):
            bad.append(f"{rel}:{i}: return type on its own line")
    if text and not text.endswith("\n"):
        bad.append(f"{rel}: no line feed at the end")
    return bad


def main():
    bad = []
    for top in ("agent", "fsproj", "tests"):
        for folder, _, names in os.walk(os.path.join(sys.argv[1], top)):
            for name in sorted(names):
                if not name.endswith((".c", ".h", ".cc")):
                    continue
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as f:
                    bad += check(os.path.relpath(path, sys.argv[1]), f.read())
    for line in bad:
        print(line)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
