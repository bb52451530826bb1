#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The include floors hold, and the check finds what is planted."""
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("NODESEAL_BUILD", os.path.join(ROOT, "build"))

# file, line planted at its end, word of the finding
PLANTED = [
    ("agent/core/core.c", '#include "net/http.h"', "core never includes net/"),
    ("agent/base/buf.c", '#include "ipc/frame.h"', "only lower floors"),
    ("agent/csi/csi_server.c", '#include "provider/provider.h"',
     "only lower floors"),
    ("agent/model/store.c", '#include "ipc/job.h"', "only lower floors"),
    ("agent/value/doc.c", "#include <cjson/cJSON.h>", "its gate is"),
    ("agent/core/core.c", "#include <curl/curl.h>", "its gate is"),
    ("agent/proj/proj.c", '#include "fsproj/fsproj.h"', "only proto.h"),
    ("fsproj/main.c", '#include "base/err.h"', "libc only"),
]


def floors(root, *more):
    out = subprocess.run([sys.executable, os.path.join(HERE, "floors.py"),
                          root, *more], capture_output=True, text=True,
                         check=False)
    return out.returncode, out.stdout


def main():
    tests = []
    code, text = floors(ROOT, BUILD)
    tests.append(("the tree and its products", code == 0, text))
    with tempfile.TemporaryDirectory() as copy:
        for top in ("agent", "fsproj"):
            shutil.copytree(os.path.join(ROOT, top), os.path.join(copy, top))
        for path, line, word in PLANTED:
            full = os.path.join(copy, path)
            with open(full, encoding="utf-8") as f:
                before = f.read()
            with open(full, "a", encoding="utf-8") as f:
                f.write(line + "\n")
            code, text = floors(copy)
            found = any(path in l and word in l for l in text.splitlines())
            tests.append((f"planted {line} in {path}", code == 1 and found,
                          text))
            with open(full, "w", encoding="utf-8") as f:
                f.write(before)
    print(f"1..{len(tests)}")
    for i, (name, good, text) in enumerate(tests, 1):
        if not good:
            print("# " + text.replace("\n", "\n# "))
        print(f"{'ok' if good else 'not ok'} {i} - {name}")
    sys.exit(0 if all(t[1] for t in tests) else 1)


if __name__ == "__main__":
    main()
