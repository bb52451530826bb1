#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""YAML as kubectl reads it: sigs.k8s.io/yaml against agent/base/yaml*.

Documents that are made up, and files of our own corpora mutated; the same ones
in every run.  yaml_compare.c says what counts as a difference.
"""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../lib"))
from scenario import BUILD, ROOT, main  # noqa: E402
from openbao import PEERS  # noqa: E402

FOLDERS = ["tests/fuzz/corpus/yaml", "tests/fuzz/corpus/manifest", "crds"]


def compare(seed, count):
    peer = subprocess.Popen(
        [os.path.join(PEERS, "yaml-peer"), "-seed", str(seed), "-count",
         str(count)] + [os.path.join(ROOT, f) for f in FOLDERS],
        stdout=subprocess.PIPE)
    ours = subprocess.run([os.path.join(BUILD, "test/tools/yaml_compare")],
                          stdin=peer.stdout, capture_output=True, check=False)
    out = ours.stdout.decode(errors="replace")
    print(f"# seed {seed}: " + out.strip().split("\n")[-1])
    assert peer.wait() == 0 and ours.returncode == 0, out[-6000:]
    return int(re.search(r"(\d+) equal", out).group(1))


def test_the_same_json():
    assert sum(compare(seed, 20000) for seed in (1, 2, 3)) > 10000


if __name__ == "__main__":
    main(globals())
