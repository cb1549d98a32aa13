# SPDX-License-Identifier: Apache-2.0
"""The rules that every public header keeps. The list of headers is the folder itself.

    check_headers.py rules INCLUDE              texts: form, include directions, no intrinsics and no xsimd where they
                                                don't belong, umbrella
    check_headers.py alone INCLUDE FLAGS CXX..  each header compiles alone, and twice in one file; FLAGS is a JSON
                                                object arch -> flags
    check_headers.py names INCLUDE CXX..        no public name is also one of the C library's, which `using namespace
                                                intaglio` would make ambiguous

Prints what is wrong, and 'N passed, N failed, N skipped' over headers.
"""

import concurrent.futures
import functools
import json
import os
import pathlib
import re
import subprocess
import sys

# A header includes its own folder or a lower floor; no two folders of one floor see each other, nor do siblings.
FLOORS = {"core": 1, "numeric": 2, "simd": 3, "tensor": 4, "quantize": 5, "gemm": 6, "conv": 7, "nn": 8, "train": 9,
          "infer": 9, "models": 10, "io": 10, "data": 10, "dist": 10}
SIBLINGS = {("gemm", "quantize")}
ARCHES = ["portable", "sse41", "avx2", "avx_vnni", "avx512bw", "avx512_vnni", "amx", "neon", "neon_dot"]
CONFIGURATION = {"abi.hpp", "config.hpp"}  # where macros and conditional compilation live
APART = {("simd", "arch"), ("data", "formats")}  # in no umbrella: they need an instruction set or a library
ONLY = {"models": {"models", "nn", "core"}}  # narrower than the floor

# One register of the machine, not of its vectors; executors need it, two floors below simd.
REGISTERS = pathlib.PurePosixPath("intaglio/core/float_environment.hpp")
INTRINSICS = re.compile(
    r"\b_mm\d*_|\b__m(?:128|256|512)|\b_tile_|\bv(?:ld|st)1q?_|immintrin\.h|arm_neon\.h|cpuid\.h|__builtin_ia32_"
    r"|\b__asm__\b|\basm\b *(?:volatile)? *\((?! *\"\")")  # an empty asm is a barrier
CONDITIONALS = re.compile(r"^\s*#\s*(?:if|ifdef|ifndef|elif)\b(?! _SC_)", re.M)  # but a question to sysconf


def headers(include):
    root = include / "intaglio"
    return sorted(path.relative_to(include) for path in root.rglob("*.hpp"))


def folder(header):
    """The floor's folder of include/intaglio/<folder>/...; '' for an umbrella."""
    parts = header.parts
    return parts[1] if len(parts) > 2 else ""


def umbrella(header):
    """The header that includes it for a user: files need nlohmann_json, the rest does not."""
    return "io.hpp" if folder(header) == "io" else "intaglio.hpp"


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
    in_arch = header.parts[1:3] == ("simd", "arch") or header == REGISTERS
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
            yield "includes an umbrella"
        elif there != here and (FLOORS[there] >= FLOORS[here] or (here, there) in SIBLINGS):
            yield f"includes {included}: from {here} upwards or sideways to {there}"
        elif there not in ONLY.get(here, {there}):
            yield f"includes {included}: {here} sees only {', '.join(sorted(ONLY[here]))}"
    if not in_simd and re.search(r"xsimd/", text):
        yield "includes xsimd outside simd/"
    if here and here != "io" and re.search(r"nlohmann/", text):
        yield "includes nlohmann_json outside io/"
    if here and re.search(r"^namespace intaglio(?!::inline INTAGLIO_ABI\b)", text, re.M):
        yield "has names outside the inline namespace INTAGLIO_ABI"
    code = re.sub(r"//[^\n]*", "", text)
    if not in_arch and (found := INTRINSICS.search(code)):
        yield f"intrinsics outside simd/arch/: {found.group(0)}"
    if re.search(r"\bassert *\(|\bNDEBUG\b", re.sub(r"static_assert", "", code)):
        yield "depends on NDEBUG, which the inline namespace does not tell apart (core/abi.hpp)"
    if not (in_simd or in_arch) and header.name not in CONFIGURATION and CONDITIONALS.search(code):
        yield "conditional compilation outside core/config.hpp, core/abi.hpp and simd/"
    if header.name not in CONFIGURATION and (found := re.search(r"^\s*#\s*define\s+(\w+)", code, re.M)):
        yield f"defines the macro {found.group(1)}; macros live in core/config.hpp and core/abi.hpp"
    if "using namespace" in code and re.search(r"^using namespace", code, re.M):
        yield "using namespace at file scope"


def rules(include):
    known = headers(include)
    results = []
    for header in known:
        text = (include / header).read_text(encoding="utf-8")
        faults = list(faults_of(header, text, set(known)))
        if not folder(header):  # an umbrella names every header of its folders but those that are apart
            named = re.findall(r'^#include "([^"]+)"', text, re.M)
            public = [h for h in known if folder(h) and h.parts[1:3] not in APART]
            expected = [str(h) for h in public if umbrella(h) == header.name]
            faults += [f"lacks {h}" for h in expected if h not in named]
            faults += [f"names {h}, which belongs elsewhere" for h in named if h not in expected]
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
                   "-Wsign-conversion", "-Wshadow", "-Werror", f"-I{include}", *flags[arch], "-x", "c++", "-"]
        done = subprocess.run(command, input=source, capture_output=True, text=True)
        if header.parts[1:3] == ("data", "formats") and re.search(r"fatal error: '?\w+\.h\b", done.stderr):
            print(f"skipped: {header} (its library is not installed)")
            return None
        return header, [] if done.returncode == 0 else ["\n" + done.stderr]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(compile_twice, headers(include)))
    done = [result for result in results if result]
    report(done, len(results) - len(done))


def public_names(text):
    """Names declared in the library's namespaces, which are not indented; but for detail."""
    open_namespaces = []
    for line in text.split("\n"):
        if found := re.match(r"(?:inline )?namespace (.*) \{$", line):
            open_namespaces.append(found.group(1))
        elif line.startswith("} // namespace"):
            open_namespaces.pop()
        elif open_namespaces and not any("detail" in name for name in open_namespaces):
            found = (re.match(r"(?:template <.*> )?(?:struct|class|enum class|concept|using) (\w+)", line) or
                     re.match(r"(?!\s)[\w:<>,&* \[\]()]*?[ &*](\w+)(?:\(| = |\{|;)", line))
            if found:
                yield found.group(1)


C_LIBRARY = """complex.h ctype.h dirent.h fcntl.h fenv.h inttypes.h limits.h math.h pthread.h sched.h search.h
    signal.h stdio.h stdlib.h string.h strings.h sys/mman.h sys/stat.h sys/types.h time.h unistd.h
    wchar.h algorithm bit chrono cmath cstring filesystem functional iostream map memory mutex
    numeric random ranges span string thread vector"""


def names(include, compiler):
    found = sorted({name for header in headers(include) for name in public_names((include / header).read_text())})
    run = functools.partial(subprocess.run, capture_output=True, text=True)
    there = [name for name in C_LIBRARY.split()
             if run([*compiler, "-E", "-x", "c++", "-"], input=f"#include <{name}>\n").returncode == 0]
    source = "".join(f"#include <{name}>\n" for name in there)
    source += "using ::index;\n" + "".join(f"using ::{name};\n" for name in found)  # `index`: to see that this finds
    gcc = "Free Software" in run([*compiler, "--version"]).stdout
    every = "-fmax-errors=0" if gcc else "-ferror-limit=0"
    done = run([*compiler, "-std=c++20", "-fsyntax-only", every, "-x", "c++", "-"], input=source)
    unknown = {int(line) - len(there) - 2 for line in re.findall(r"<stdin>:(\d+):\d+: error", done.stderr)}
    results = [(name, [] if number in unknown else ["is a name of the C library too"])
               for number, name in enumerate(found)]
    if -1 in unknown or len(found) < 100 or not {"dim_t", "gemm", "error"} <= set(found):
        results.append(("check_headers.py", [f"finds no names: {found}"]))
    report(results)


def without_cache(compiler):
    """The compiler itself: ccache keeps nothing of a check of syntax."""
    return compiler[1:] if "ccache" in os.path.basename(compiler[0]) else compiler


if sys.argv[1] == "names":
    names(pathlib.Path(sys.argv[2]), without_cache(sys.argv[3:]))
elif sys.argv[1] == "rules":
    rules(pathlib.Path(sys.argv[2]))
else:
    alone(pathlib.Path(sys.argv[2]), json.loads(sys.argv[3]), without_cache(sys.argv[4:]))
