# SPDX-License-Identifier: Apache-2.0
"""Compile-time tests: every file in accept/ compiles, every file in reject/ does not, and the compiler's message holds
the text quoted in the file's lines '// expect: ...'. So a law is tested together with the sentence that explains it.
Each sentence of a static_assert in the library's headers that says who speaks ("subject: law; remedy") must be quoted
by some file.

A file with lines '// flags: ...' is compiled once for each of them; '// flags of gcc: ...' and '// flags of clang: ...'
are for that compiler.

    check_compile.py FOLDER INCLUDE CXX...
"""

import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

# Laws about the machine, which no program can break on the machine that compiles it.
UNPROVOKABLE = ["io: tensors are stored little-endian"]

folder, include, compiler = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3:]


version = subprocess.run([*compiler, "--version"], capture_output=True, text=True).stdout
brand = "clang" if "clang" in version else "gcc"


def expected(path):
    """What is quoted; a quotation goes on to the end of its comment, or to the next one."""
    found = re.findall(r"^// expect: (.*(?:\n// (?!expect:).*)*)", path.read_text(encoding="utf-8"), re.M)
    return [re.sub(r"\n// ", " ", text).strip() for text in found]


def flag_sets(path):
    """The lists of flags with which a file is compiled."""
    found = re.findall(r"^// flags(?: of (gcc|clang))?:(.*)", path.read_text(encoding="utf-8"), re.M)
    return [flags.split() for who, flags in found if who in ("", brand)] if found else [[]]


def fault(path):
    return "".join((f"with {' '.join(flags)}: " if flags else "") + text
                   for flags in flag_sets(path) if (text := fault_with(path, flags)))


def fault_with(path, flags):
    command = [*compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *flags, f"-I{include}",
               str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if path.parent.name == "accept":
        return "" if done.returncode == 0 else "does not compile:\n" + done.stderr
    if not expected(path):
        return "has no '// expect:' line"
    if done.returncode == 0:
        return "compiles"
    missing = [text for text in expected(path) if text not in done.stderr]
    laws = len(re.findall(r"static[_ ]assert(?:ion)? failed.*gemm policy: ", done.stderr))
    if path.name.startswith("policy_") and laws > 1:
        return f"hears of {laws} laws instead of one:\n{done.stderr}"
    return "".join(f"the message lacks '{text}':\n{done.stderr}" for text in missing)


def laws_see_the_machine():
    """Laws are the same for every instruction set, since nothing that they are made of knows one."""
    source = '#include "intaglio/gemm/policy.hpp"'
    done = subprocess.run([*compiler, "-std=c++20", f"-I{include}", "-M", "-x", "c++", "-"], input=source,
                          capture_output=True, text=True)
    seen = sorted(set(re.findall(r"intaglio/simd/\S+", done.stdout)))
    return f"includes {', '.join(seen)}: a law could depend on the instruction set" if seen or done.returncode else ""


def sentences(text):
    """The messages of all static_asserts: string literals, joined, that end a static_assert."""
    for found in re.finditer(r"static_assert\(", text):
        literals = re.match(r'.*?((?:"(?:[^"\\]|\\.)*"\s*)+)\)\s*;', text[found.end():], re.S)
        if literals and "static_assert(" not in literals.group(0):
            yield "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals.group(1)))


files = sorted(folder.glob("accept/*.cpp")) + sorted(folder.glob("reject/*.cpp"))
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    faults = list(zip((f"{path.parent.name}/{path.name}" for path in files), pool.map(fault, files)))

faults.append(("gemm/policy.hpp", laws_see_the_machine()))
quoted = [text for path in files for text in expected(path)]
for header in sorted(include.rglob("*.hpp")):
    for sentence in sentences(header.read_text(encoding="utf-8")):
        if ": " not in sentence or any(sentence.startswith(text) for text in UNPROVOKABLE):
            continue
        known = any(text in sentence for text in quoted)
        faults.append((header.relative_to(include), "" if known else f"no file in reject/ quotes '{sentence}'"))

for name, text in faults:
    if text:
        print(f"{name}: {text}")
failed = sum(bool(text) for _, text in faults)
print(f"{len(faults) - failed} passed, {failed} failed, 0 skipped")
sys.exit(1 if failed or not files else 0)
