# SPDX-License-Identifier: Apache-2.0
"""check_output.py PROGRAM SOURCE: runs an example and compares what it prints with the comment at its end, '// Prints:' and the lines below it."""

import subprocess
import sys

program, source = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    comment = file.read().partition("\n// Prints:\n")[2]
expected = [line.removeprefix("//").strip() for line in comment.splitlines() if line.startswith("//")]
done = subprocess.run([program], stdout=subprocess.PIPE, text=True)
printed = [line.strip() for line in done.stdout.splitlines()]
if done.returncode != 0:
    sys.exit(f"{program} ends with status {done.returncode}")
if not expected:
    sys.exit(f"{source} has no '// Prints:'")
if printed != expected:
    sys.exit("\n".join(["printed:", *printed, "", "the comment says:", *expected]))
