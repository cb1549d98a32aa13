# SPDX-License-Identifier: Apache-2.0
"""The layout of the text.

    check_format.py columns ROOT   no line passes 120 columns: code, comments, build files, scripts, pages (but tables)
    check_format.py layout ROOT    C++ files are as clang-format 14 leaves them (other versions lay out otherwise);
                                   skipped where it is missing
"""

import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys

COLUMNS = 120
FOLDERS = (".ci", "bench", "docs", "examples", "include", "subprojects/packagefiles", "tests", "tools")
SUFFIXES = {".cpp", ".hpp", ".in", ".ini", ".md", ".py", ".sh", ".txt", ".wrap"}
CLANG_FORMAT = 14


def written_files(root):
    """Files that people write. Data, pictures and licences of others are not among them, nor builds and downloads."""
    def wanted(path):
        if not path.is_file() or path.name.startswith("LICENSE"):
            return False
        return path.suffix in SUFFIXES or path.suffix == ".build" or path.parent.name in ("tools", ".ci")

    inside = itertools.chain.from_iterable((root / folder).rglob("*") for folder in FOLDERS)
    return sorted(path for path in itertools.chain(root.iterdir(), inside) if wanted(path))


def columns(root):
    files = written_files(root)
    wrong = []
    for path in files:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            table = path.suffix == ".md" and line.lstrip().startswith("|")
            if len(line) > COLUMNS and not table:
                wrong.append(path)
                print(f"{path.relative_to(root)}:{number}: {len(line)} columns, {COLUMNS} at most")
    return len(files), len(set(wrong))


def clang_format():
    """The command, or None and why."""
    found = "none"
    for name in (f"clang-format-{CLANG_FORMAT}", "clang-format"):
        if command := shutil.which(name):
            found = subprocess.run([command, "--version"], capture_output=True, text=True).stdout.strip()
            if re.search(rf"version {CLANG_FORMAT}\.", found):
                return command, found
    return None, found


def layout(root):
    command, found = clang_format()
    if not command:
        print(f"skipped: the layout of C++ files needs clang-format {CLANG_FORMAT}; found: {found}")
        sys.exit(77)
    files = [path for path in written_files(root) if path.suffix in (".cpp", ".hpp")]
    done = subprocess.run([command, "--dry-run", *files], capture_output=True, text=True, cwd=root)
    wrong = {os.path.relpath(name, root) for name in re.findall(r"^(.+?):\d+:\d+: warning: ", done.stderr, re.M)}
    for name in sorted(wrong):
        print(f"{name}: run clang-format -i {name}")
    if done.returncode != 0:
        print(done.stderr)
    return len(files), max(len(wrong), int(done.returncode != 0))


checked, failed = {"columns": columns, "layout": layout}[sys.argv[1]](pathlib.Path(sys.argv[2]))
print(f"{checked - failed} passed, {failed} failed, 0 skipped")
sys.exit(1 if failed else 0)
