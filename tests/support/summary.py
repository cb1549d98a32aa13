# SPDX-License-Identifier: Apache-2.0
"""Sums up a test run: what was skipped and why, and the closing line 'N passed, N failed, N skipped'.

    summary.py testlog.json meson_exit_status

Counts single cases where a program tells them (Catch2's last lines, the scripts' 'N passed, ...'), otherwise the
program as one case. A program that fails counts at least one failure, whatever it printed.
"""

import json
import re
import sys


def cases(output):
    """(passed, failed, skipped) as a test program printed them, or None."""
    found = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", output, re.M)
    if found:
        return tuple(map(int, found[-1]))
    found = re.findall(r"^All tests passed \(.* in (\d+) test cases?\)", output, re.M)
    if found:
        return int(found[-1]), 0, 0
    found = re.findall(r"^test cases:.*$", output, re.M)
    if found:
        def count(word):
            number = re.search(r"(\d+) " + word, found[-1])
            return int(number.group(1)) if number else 0
        return count("passed"), count("failed"), count("skipped")
    return None


def main():
    passed = failed = skipped = 0
    notes = []
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            output = test.get("stdout", "")
            p, f, s = cases(output) or (0, 0, 0)
            result = test["result"]
            if result == "SKIP":
                reason = re.findall(r"^skipped: (.*)$", output, re.M)
                notes.append(f"skipped: {test['name']}" + (f" ({reason[-1]})" if reason else ""))
                s = max(s, 1)
            elif result in ("OK", "EXPECTEDFAIL"):
                p += p + f + s == 0
                reasons = re.findall(r"^skipped: (.*)$", output, re.M)
                notes += [f"skipped: {test['name']}: {reason}" for reason in reasons]
            else:
                f = max(f, 1)
                notes.append(f"FAILED: {test['name']} ({result.lower()})")
            passed, failed, skipped = passed + p, failed + f, skipped + s
    if int(sys.argv[2]) != 0 and failed == 0:
        failed = 1
    print()
    for note in notes:
        print(note)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


main()
