# SPDX-License-Identifier: Apache-2.0
"""What the headers make of the compiler's flags (core/config.hpp, core/abi.hpp).

    check_flags.py names INCLUDE CXX..   each set of flags has an inline namespace of its own, and no instruction set
                                         that the compiler knows is missing in core/abi.hpp
    check_flags.py link INCLUDE CXX..    units of several sets of flags in one program, in both orders: no weak symbol
                                         of the library is in two of them, and each computes the same
    check_flags.py says INCLUDE CXX..    flags that fall short of what they name are told, once; an older standard is
                                         one sentence

Prints what is wrong, and 'N passed, N failed, N skipped'.
"""

import concurrent.futures
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

mode, include, compiler = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
here = pathlib.Path(__file__).parent
if "ccache" in os.path.basename(compiler[0]) and mode != "link":  # nothing here that it could keep
    compiler = compiler[1:]

# Flags, and the features of the CPU that they need (names of /proc/cpuinfo).
SETS = [
    ([], ""),
    (["-msse4.1"], "sse4_1"),
    (["-mavx2"], "avx2"),  # without FMA: kernels of SSE4.1, instructions of AVX2
    (["-mavx2", "-mfma", "-DINTAGLIO_ARCH=sse41"], "avx2 fma"),
    (["-mavx2", "-mfma"], "avx2 fma"),
]
NAMES_ONLY = [line.split() for line in """-msse3; -mssse3; -msse4.2; -mpopcnt; -mavx; -mf16c; -mavx2 -mfma -mbmi2;
    -march=x86-64-v3; -march=skylake-avx512; -march=icelake-server; -march=sapphirerapids; -march=alderlake;
    -march=znver3; -march=bdver4; -fsanitize=address; -D_GLIBCXX_DEBUG; -D_GLIBCXX_DEBUG -fsanitize=address;
    -D_GLIBCXX_USE_CXX11_ABI=0""".split(";")]
ARM = [line.split() for line in """-march=armv8-a; -march=armv8-a+crc; -march=armv8.1-a;
    -march=armv8.2-a+dotprod; -march=armv8.2-a+fp16; -march=armv8.6-a; -march=armv8.6-a+sve;
    -march=armv8.6-a+sve -msve-vector-bits=256""".split(";")]

# What no compiler uses but where the source calls an intrinsic, and the library calls none of these.
BY_INTRINSIC = set("""ADX AES VAES PCLMUL VPCLMULQDQ SHA SHA512 SM3 SM4 KL WIDEKL CRC32 RDRND RDSEED FSGSBASE INVPCID
    LWP MWAIT MWAITX MOVDIRI MOVDIR64B MOVRS CLDEMOTE CLFLUSHOPT CLWB CLZERO ENQCMD HRESET LAHF_SAHF PCONFIG PKU PTWRITE
    RDPID RDPRU SERIALIZE SGX SHSTK TSXLDTRK UINTR USERMSR WAITPKG WBNOINVD XSAVE XSAVEC XSAVEOPT XSAVES RTM HLE
    PREFETCHI RAOINT 3dNOW 3dNOW_A AVX512PF AVX512VP2INTERSECT AVX5124FMAPS AVX5124VNNIW AMX_BF16 AMXBF16 AMX_FP16
    AMXFP16 AMX_COMPLEX AMXCOMPLEX AMX_AVX512 AMX_FP8 AMX_MOVRS AMX_TF32 AMX_TRANSPOSE
    ARM_FEATURE_AES ARM_FEATURE_SHA2 ARM_FEATURE_SHA512 ARM_FEATURE_SM3 ARM_FEATURE_SM4 ARM_FEATURE_CRYPTO
    ARM_FEATURE_PAUTH ARM_FEATURE_BTI ARM_FEATURE_RNG ARM_FEATURE_MEMORY_TAGGING ARM_FEATURE_TME ARM_FEATURE_LS64
    ARM_FEATURE_SME ARM_FEATURE_SME2""".split())
# What follows from others, or is no instruction.
DERIVED = re.compile(r"ABM|BIGGEST_ALIGNMENT|FP_FAST_\w+|FLT\w+|GCC_\w+|AVX10_\d_\d+|EVEX256|EGPR|PUSH2POP2|PPX|"
                     r"NDD|CCMP|NF|CF|ZU|ARM_FEATURE_(?:SVE_\w+|SVE2_\w+|BF16_\w+|SVE)")


def run(command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, **more)


def report(faults, checks, skipped=0):
    for text in faults:
        print(text)
    failed = min(len(faults), checks)
    print(f"{checks - failed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed else 0)


def name_of(flags):
    """The inline namespace; None where the compiler does not know the flags."""
    source = '#include "intaglio/core/config.hpp"\nINTAGLIO_ABI\n'
    done = run([*compiler, "-std=c++20", "-E", "-P", f"-I{include}", *flags, "-x", "c++", "-"], input=source)
    return done.stdout.split()[-1] if done.returncode == 0 else None


def macros(flags):
    done = run([*compiler, *flags, "-dM", "-E", "-x", "c++", os.devnull])
    return set(re.findall(r"^#define (\w+)", done.stdout, re.M)) if done.returncode == 0 else set()


x86 = "__x86_64__" in macros([])


def cpus():
    """All values of -march (-mcpu on AArch64) that the compiler lists when it is given a wrong one."""
    option = "-march=" if x86 else "-mcpu="
    done = run([*compiler, option + "none-such", "-E", "-x", "c++", os.devnull])
    listed = re.search(r"valid [^\n]*?(?:are|values are|arguments[^\n]*?are):([^\n]*)", done.stderr)
    words = re.findall(r"[\w.+-]+", listed.group(1).split("; did")[0]) if listed else []
    return [option + word for word in words if word != "native"]


def names():
    wanted = ([flags for flags, _ in SETS] + NAMES_ONLY) if x86 else ARM
    named = {" ".join(flags): name_of(flags) for flags in wanted}
    known = {flags: name for flags, name in named.items() if name}
    faults = [f"'{one}' and '{other}' share the namespace {name}"
              for (one, name), (other, theirs) in itertools.combinations(known.items(), 2) if name == theirs]
    listed = (include / "intaglio/core/abi.hpp").read_text(encoding="utf-8")
    base, asked, missing = macros([]), cpus(), {}
    if len(asked) < 10:
        faults.append("the compiler's list of CPUs can't be read from its message")
    for cpu in asked:
        for macro in macros([cpu]) - base:
            found = re.fullmatch(r"__([A-Z0-9_]+?)(?:__)?" if x86 else r"__(ARM_FEATURE_\w+)", macro)
            feature = found.group(1) if found and not re.search(rf"\b{macro}\b", listed) else ""
            if feature and feature not in BY_INTRINSIC and not DERIVED.fullmatch(feature):
                missing.setdefault(macro, cpu)
    faults += [f"core/abi.hpp lacks {macro} ({cpu})" for macro, cpu in sorted(missing.items())]
    report(faults, len(known) + len(asked), len(named) - len(known))


def link():
    nm = shutil.which("nm") or shutil.which("llvm-nm")
    if not nm or not x86:
        print("skipped: needs nm" if not nm else "skipped: pairs of flags are for x86-64")
        report([], 0, 1)
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    has = set(re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.M).group(1).split()) if cpuinfo.exists() else set()
    faults, checks = [], 0
    with tempfile.TemporaryDirectory() as folder:
        units, weak = [], []
        for number, (flags, needs) in enumerate(SETS):
            unit = pathlib.Path(folder) / f"unit{number}.o"
            # not optimized: each inline function becomes a symbol
            done = run([*compiler, "-std=c++20", "-O0", "-ffp-contract=off", f"-I{include}", *flags,
                        f"-DENTRY=unit{number}", "-c", here / "flag_unit.cpp", "-o", unit])
            if done.returncode != 0:
                report([f"'{' '.join(flags)}' does not compile:\n{done.stderr}"], 1)
            units.append(unit)
            symbols = re.findall(r"^\w* *[uvwVW] (.*)$", run([nm, "-C", "--defined-only", unit]).stdout, re.M)
            weak.append({symbol for symbol in symbols if "intaglio::" in symbol})
        for (one, ours), (other, theirs) in itertools.combinations(enumerate(weak), 2):
            checks += 1
            if shared := sorted(ours & theirs):
                faults.append(f"'{' '.join(SETS[one][0])}' and '{' '.join(SETS[other][0])}' share {len(shared)} "
                              f"symbols: {', '.join(shared[:5])}")
        runs = [number for number, (_, needs) in enumerate(SETS) if set(needs.split()) <= has]
        main = pathlib.Path(folder) / "main.cpp"
        main.write_text("#include <cstdio>\n" +
                        "".join(f'extern "C" int unit{n}(const char**);\n' for n in range(len(SETS))) +
                        "int main() {\n    const char* name = nullptr;\n" +
                        "".join(f'    std::printf("%d %s\\n", unit{n}(&name), name);\n' for n in runs) + "}\n")
        for order in (units, units[::-1]):
            checks += 1
            program = pathlib.Path(folder) / "program"
            done = run([*compiler, "-std=c++20", main, *order, "-pthread", "-o", program])
            if done.returncode != 0:
                faults.append(f"the units don't link:\n{done.stderr}")
                continue
            done = run([program])
            lines = done.stdout.split("\n")[:-1]
            values, spaces = [line.split()[0] for line in lines], {line.split()[1] for line in lines}
            if done.returncode != 0 or values != ["100"] * len(runs) or len(spaces) != len(runs):
                faults.append(f"the linked units give, with exit status {done.returncode}:\n{done.stdout}")
    report(faults, checks, len(SETS) - len(runs))


def says():
    faults, checks = [], 0
    twice = '#include "intaglio/core/config.hpp"\n#include "intaglio/core/error.hpp"\n'
    strict = [*compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{include}"]
    expected = [  # flags, the message's beginning or none, whether they compile
        (["-mavx2"], "Intaglio: AVX2 without FMA", True),
        (["-mavx2", "-DINTAGLIO_ARCH=sse41"], "", True),
        (["-mavx2", "-mfma"], "", True),
        (["-mavx2", "-mfma", "-mavx512f"], "Intaglio: AVX-512 without BW, DQ, VL", True),
        (["-mavx2", "-mfma", "-mavx512f", "-DINTAGLIO_ARCH=avx2"], "", True),
        (["-mamx-int8"], "Intaglio: AMX needs AVX-512-VNNI", True),
        (["-msse4.1", "-DINTAGLIO_ARCH=avx2"], "INTAGLIO_ARCH names an instruction set", False),
    ] if x86 else []
    for flags, message, compiles in expected:
        checks += 1
        done = run([*strict, *flags, "-x", "c++", "-"], input=twice)
        said = len(re.findall(r"(?:note|warning|error): .*(?:Intaglio: |INTAGLIO_ARCH names)", done.stderr))
        if (done.returncode == 0) != compiles or said != bool(message) or message not in done.stderr:
            faults.append(f"'{' '.join(flags)}' should {'' if compiles else 'not '}compile and say '{message}':\n"
                          f"{done.stderr[:2000]}")
    headers = sorted(path.relative_to(include) for path in include.rglob("*.hpp"))
    headers = [header for header in headers if header.parts[1:3] != ("simd", "arch") and header.name != "abi.hpp"]

    def with_an_older_standard(header):  # all of the umbrella, and of the others what they include
        what = ["-fsyntax-only"] if header.name == "intaglio.hpp" else ["-E", "-o", os.devnull]
        return run([*compiler, "-std=c++17", *what, f"-I{include}", "-x", "c++", "-"], input=f'#include "{header}"\n')

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, done in zip(headers, pool.map(with_an_older_standard, headers)):
            checks += 1
            errors = re.findall(r"error: (.*)", done.stderr)
            if len(errors) != 2 or "compile with -std=c++20" not in errors[0] or "c++20" not in errors[1]:
                faults.append(f"{header} with -std=c++17 has {len(errors)} errors:\n{done.stderr[:1000]}")
    report(faults, checks)


{"names": names, "link": link, "says": says}[mode]()
