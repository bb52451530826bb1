#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The table of controls is whole, and its judges refuse what they should."""
import os
import sys

import controls
from controls import Control

UNIT = """1..1
not ok 1 - test_depth
# 0 != 1
# tests/unit/value_doc_test.c:{line}: error: Failure!
"""
SCENARIO = """1..1
# Traceback (most recent call last):
#   File "x.py", line 3, in test_a
#     assert a.torn == 0, a
#            ^^^^^^^^^^^
# {kind}: 1
#{blank}
not ok 1 - test_a (0.10 s)
"""
ASAN = """==1==ERROR: AddressSanitizer: {kind} on address 0x1
    #0 0x1 in memcmp interceptors.inc:1
    #1 0x2 in peek agent/base/json_scan.c:41
"""


def line_of(text):
    with open("tests/unit/value_doc_test.c", encoding="utf-8") as f:
        return next(i for i, l in enumerate(f, 1) if text in l)


def main():
    os.chdir(controls.ROOT)
    unit = Control("X unit value_doc_test test_depth "
                   "assert_int_equal(doc_parse(text", 1)
    scenario = Control("X scenario x test_a assert a.torn == 0", 1)
    asan = Control("X asan replay/json_fuzz - heap-buffer-overflow "
                   "agent/base/json_scan.c peek", 1)
    good = UNIT.format(line=line_of("assert_int_equal(doc_parse(text"))
    other = UNIT.format(line=line_of("assert_int_equal(out.len, 2 * depth)"))
    tests = [
        ("every WEAKEN_ has a line and every line one",
         controls.check_names() == []),
        ("a unit test's named assertion counts",
         controls.judge_unit(unit, good) is None),
        ("another assertion does not",
         "another" in controls.judge_unit(unit, other)),
        ("a crash does not", "no assertion" in controls.judge_unit(
            unit, "1..1\nnot ok 1 - test_depth\n# exception: Segmentation")),
        ("nor a test that passes", "did not fail" in controls.judge_unit(
            unit, "1..1\nok 1 - test_depth\n")),
        ("nor one that did not run", "did not fail" in controls.judge_unit(
            unit, "1..0\n")),
        ("a scenario's named assertion counts", controls.judge_scenario(
            scenario, SCENARIO.format(kind="AssertionError", blank=""))
         is None),
        ("an exception does not", "no assertion" in controls.judge_scenario(
            scenario, SCENARIO.format(kind="OSError", blank=""))),
        ("a scenario that passes does not", "did not fail" in
         controls.judge_scenario(scenario, "1..1\nok 1 - test_a (1 s)\n")),
        ("the sanitizer's finding counts", controls.judge_asan(
            asan, ASAN.format(kind="heap-buffer-overflow")) is None),
        ("a crash under it does not", "another" in controls.judge_asan(
            asan, ASAN.format(kind="SEGV"))),
        ("nor silence", "nothing" in controls.judge_asan(asan, "")),
    ]
    print(f"1..{len(tests)}")
    for i, (name, ok) in enumerate(tests, 1):
        print(f"{'ok' if ok else 'not ok'} {i} - {name}")
    sys.exit(0 if all(ok for _, ok in tests) else 1)


if __name__ == "__main__":
    main()
