# SPDX-License-Identifier: Apache-2.0
"""The rules that every public header keeps. The list of headers is the folder itself.

    check_headers.py rules INCLUDE              texts: form, include directions, no intrinsics and no xsimd where they
                                                don't belong, umbrella
    check_headers.py alone INCLUDE FLAGS CXX..  each header compiles alone, and twice in one file; FLAGS is a JSON
                                                object arch -> flags

Prints what is wrong, and 'N passed, N failed, N skipped' over headers.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

# A header includes its own folder or a lower floor; no two folders of one floor see each other, nor do siblings.
FLOORS = {"core": 1, "numeric": 2, "simd": 3, "tensor": 4, "quantize": 5, "gemm": 6, "conv": 7, "nn": 8, "train": 9,
          "infer": 9, "optim": 9, "models": 10, "io": 10, "data": 10, "dist": 10}
SIBLINGS = {("gemm", "quantize")}
ARCHES = ["portable", "sse41", "avx2", "avx_vnni", "avx512bw", "avx512_vnni", "amx", "neon", "neon_dot"]
ONLY = {"models": {"models", "nn", "core"}}  # narrower than the floor

INTRINSICS = re.compile(
    r"\b_mm\d*_|\b__m(?:128|256|512)|\b_tile_|\bv(?:ld|st)1q?_|immintrin\.h|arm_neon\.h|cpuid\.h|__builtin_ia32_"
    r"|\b__asm__\b|\basm\b *(?:volatile)? *\((?! *\"\")")  # an empty asm is a barrier
CONDITIONALS = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b(?! _SC_)", re.M)  # but a question to sysconf


def headers(include):
    root = include / "intaglio"
    return sorted(path.relative_to(include) for path in root.rglob("*.hpp"))


def folder(header):
    """The floor's folder of include/intaglio/<folder>/...; '' for the umbrella."""
    parts = header.parts
    return parts[1] if len(parts) > 2 else ""


def report(results, skipped=0):
    failed = 0
    for header, faults in results:
        for fault in faults:
            print(f"{header}: {fault}")
        failed += bool(faults)
    print(f"{len(results) - failed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


def faults_of(header, text, known):
    lines = text.split("\n")
    here = folder(header)
    in_simd = here == "simd"
    in_arch = header.parts[1:3] == ("simd", "arch")
    if lines[0] != "// SPDX-License-Identifier: Apache-2.0" or lines[1:2] != ["#pragma once"]:
        yield "does not open with the SPDX line and #pragma once"
    if len(lines) > 400:
        yield f"{len(lines)} lines: more than one concept?"
    if here and here not in FLOORS:
        yield f"unknown folder {here}"
        return
    for included in re.findall(r'^\s*#\s*include\s*"([^"]+)"', text, re.M):
        target = pathlib.PurePosixPath(included)
        if target not in known:
            yield f"includes {included}, which is not a header of the library"
            continue
        there = folder(target)
        if not here:
            continue
        if not there:
            yield "includes the umbrella"
        elif there != here and (FLOORS[there] >= FLOORS[here] or (here, there) in SIBLINGS):
            yield f"includes {included}: from {here} upwards or sideways to {there}"
        elif there not in ONLY.get(here, {there}):
            yield f"includes {included}: {here} sees only {', '.join(sorted(ONLY[here]))}"
    if not in_simd and re.search(r"xsimd/", text):
        yield "includes xsimd outside simd/"
    code = re.sub(r"//[^\n]*", "", text)
    if not in_arch and (found := INTRINSICS.search(code)):
        yield f"intrinsics outside simd/arch/: {found.group(0)}"
    if not in_simd and header.name != "config.hpp" and CONDITIONALS.search(code):
        yield "conditional compilation outside core/config.hpp and simd/"
    if header.name != "config.hpp" and (found := re.search(r"^\s*#\s*define\s+(\w+)", code, re.M)):
        yield f"defines the macro {found.group(1)}; macros live in core/config.hpp"
    if "using namespace" in code and re.search(r"^using namespace", code, re.M):
        yield "using namespace at file scope"


def rules(include):
    known = headers(include)
    results = []
    for header in known:
        text = (include / header).read_text(encoding="utf-8")
        faults = list(faults_of(header, text, set(known)))
        if not folder(header):  # the umbrella names every header but the arches' own
            named = re.findall(r'^#include "([^"]+)"', text, re.M)
            expected = [str(h) for h in known if folder(h) and h.parts[1:3] != ("simd", "arch")]
            faults += [f"lacks {h}" for h in expected if h not in named]
            faults += [f"names {h} more than once" for h in sorted(set(named)) if named.count(h) > 1]
        results.append((header, faults))
    report(results)


def arch_of(header):
    """Whose flags a header needs: those of the arch that its name begins with, if it is in simd/arch."""
    if header.parts[1:3] != ("simd", "arch"):
        return "portable"
    return max((arch for arch in ARCHES if header.stem.startswith(arch)), key=len, default="portable")


def alone(include, flags, compiler):
    def compile_twice(header):
        arch = arch_of(header)
        if arch not in flags:
            print(f"skipped: {header} (not for this compiler or machine)")
            return None
        source = f'#include "{header}"\n#include "{header}"\n'
        command = [*compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion",
                   "-Wno-sign-conversion", "-Wshadow", "-Werror", f"-I{include}", *flags[arch], "-x", "c++", "-"]
        done = subprocess.run(command, input=source, capture_output=True, text=True)
        return header, [] if done.returncode == 0 else ["\n" + done.stderr]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(compile_twice, headers(include)))
    done = [result for result in results if result]
    report(done, len(results) - len(done))


if sys.argv[1] == "rules":
    rules(pathlib.Path(sys.argv[2]))
else:
    alone(pathlib.Path(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4:])
