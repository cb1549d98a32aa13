#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the pages and the examples promise.

check_docs.py example SOURCE PROGRAM   runs PROGRAM; its output must be the comment "// Prints:" that ends SOURCE
check_docs.py pages ROOT               in README.md and docs/: links lead to files; a block after <!-- quote FILE --> is
                                       found in FILE line by line; a block after <!-- output FILE --> is the
                                       "// Prints:" comment of FILE; docs/conditions.md names tests that exist
"""

import pathlib
import re
import subprocess
import sys


def promised(source: pathlib.Path) -> list[str]:
    lines = source.read_text().splitlines()
    start = lines.index("// Prints:")
    return [line[2:].removeprefix("   ").rstrip() for line in lines[start + 1 :]]


def check_example(source: pathlib.Path, program: str) -> list[str]:
    run = subprocess.run([program], capture_output=True, text=True, timeout=300)
    printed = [line.rstrip() for line in run.stdout.splitlines()]
    faults = []
    if run.returncode != 0:
        faults.append(f"{program} ends with {run.returncode}: {run.stderr}")
    if printed != promised(source):
        faults.append(f"{source} promises\n" + "\n".join(promised(source)) + "\nbut prints\n" + "\n".join(printed))
    return faults


def check_page(root: pathlib.Path, page: pathlib.Path) -> list[str]:
    faults = []
    text = page.read_text()
    for kind, name, block in re.findall(r"<!-- (quote|output) (\S+) -->\n+```\w*\n(.*?)\n```", text, re.S):
        source = root / name
        if not source.is_file():
            faults.append(f"{page}: {name} does not exist")
        elif kind == "quote" and block + "\n" not in source.read_text():
            faults.append(f"{page}: the block is not a part of {name}")
        elif kind == "output" and block.splitlines() != promised(source):
            faults.append(f"{page}: {name} promises another output")
    for target in re.findall(r"\]\(([^)#\s]+)", re.sub(r"```.*?```", "", text, flags=re.S)):
        if "://" not in target and not (page.parent / target).exists():
            faults.append(f"{page}: the link {target} leads nowhere")
    if page.name == "conditions.md":
        tests = re.findall(r"`([a-z_]+/[a-z_/]+\.cpp)`", text)
        faults += [f"{page}: there is no test {name}" for name in tests if not (root / "tests" / name).is_file()]
    return faults


def main(arguments: list[str]) -> int:
    if arguments[0] == "example":
        faults = check_example(pathlib.Path(arguments[1]), arguments[2])
    else:
        root = pathlib.Path(arguments[1])
        pages = [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
        faults = [fault for page in pages for fault in check_page(root, page)]
        print(f"{len(pages)} pages")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
