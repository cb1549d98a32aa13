# SPDX-License-Identifier: Apache-2.0
"""A program outside the tree takes the library in one of the ways that README.md names, and prints what it should.

    check_packaging.py WAY ROOT CXX..

Ways: version (the same in every file that names it), include-path, meson-subproject, pkg-config (after meson install),
cmake-install (after meson install and after cmake --install), cmake-subdirectory (and FetchContent), xsimd (another
version: INTAGLIO_XSIMD=DIR, with DIR/include or DIR/xsimd). The program is examples/01_product.cpp. Nothing is taken
from the network. A way whose tools are missing is skipped, with a word. Prints 'N passed, N failed, N skipped'.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

way, root, compiler = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
example = root / "examples/01_product.cpp"
environment = {key: value for key, value in os.environ.items()
               if key not in ("CFLAGS", "CXXFLAGS", "LDFLAGS", "DESTDIR", "PKG_CONFIG_PATH", "CMAKE_PREFIX_PATH")}
environment["CXX"] = " ".join(compiler)
passed = 0

STRICT = """-Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Wcast-qual -Wundef
    -Wnon-virtual-dtor -Woverloaded-virtual -Werror""".split()


class Fault(Exception):
    pass


def skip(reason):
    print(f"skipped: {reason}")
    print(f"{passed} passed, 0 failed, 1 skipped")
    sys.exit(0 if passed else 77)  # Meson's number for a test that skips itself


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            skip(f"{tool} is not installed")


def run(command, **more):
    command = [str(word) for word in command]
    done = subprocess.run(command, capture_output=True, text=True, env={**environment, **more})
    if done.returncode != 0:
        raise Fault(f"{' '.join(command)}\nends with {done.returncode}:\n{(done.stdout + done.stderr)[:4000]}")
    return done.stdout


def promised(source):
    lines = source.read_text().splitlines()
    return [line[2:].removeprefix("   ").rstrip() for line in lines[lines.index("// Prints:") + 1:]]


def check(program, what):
    global passed
    printed = [line.rstrip() for line in run([program]).splitlines()]
    if printed != promised(example):
        raise Fault(f"{what}: the program prints\n" + "\n".join(printed))
    passed += 1


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def consumer(folder, files):
    """A project of its own: the example's text and these build files."""
    shutil.copy(example, write(folder / "main.cpp", ""))
    for name, text in files.items():
        write(folder / name, text)
    return folder


def meson_install(folder):
    prefix = folder / "prefix"
    quiet = ["-Dtests=disabled", "-Dbench=disabled", "-Dexamples=disabled", "-Darch=portable", "--wrap-mode=nodownload"]
    run(["meson", "setup", folder / "build", root, f"--prefix={prefix}", *quiet])
    run(["meson", "install", "-C", folder / "build"])
    if (prefix / "share/licenses/intaglio/LICENSE").read_text() != (root / "LICENSE").read_text():
        raise Fault("the licence is not installed")
    there = {path.relative_to(prefix / "include") for path in (prefix / "include").rglob("*.*pp")}
    if there != {path.relative_to(root / "include") for path in (root / "include").rglob("*.hpp")}:
        raise Fault("the installed headers are not those of include/")
    return prefix


def version(folder):
    global passed
    macros = (root / "include/intaglio/core/config.hpp").read_text()
    named = {
        "core/config.hpp": ".".join(re.search(rf"INTAGLIO_VERSION_{part} (\d+)", macros).group(1)
                                    for part in ("MAJOR", "MINOR", "PATCH")),
        "meson.build": re.search(r"version: '([\d.]+)'", (root / "meson.build").read_text()).group(1),
        "CMakeLists.txt": re.search(r"intaglio VERSION ([\d.]+)", (root / "CMakeLists.txt").read_text()).group(1),
    }
    if len(set(named.values())) != 1:
        raise Fault(f"versions differ: {named}")
    passed += 1


def include_path(folder):
    program = folder / "program"
    run([*compiler, "-std=c++20", "-ffp-contract=off", *STRICT, f"-I{root / 'include'}", example, "-pthread", "-o",
         program])
    check(program, "include path")


def meson_subproject(folder):
    need("meson", "ninja")
    warnings = ", ".join(f"'{word}'" for word in STRICT if word not in ("-Wall", "-Wextra", "-Wpedantic", "-Werror"))
    consumer(folder, {"meson.build": f"""
project('consumer', 'cpp', default_options: ['cpp_std=c++20', 'warning_level=3', 'werror=true', 'optimization=0'])
add_project_arguments({warnings}, language: 'cpp')
intaglio_dep = dependency('intaglio', fallback: ['intaglio', 'intaglio_dep'])
executable('program', 'main.cpp', dependencies: intaglio_dep)
"""})
    (folder / "subprojects").mkdir()
    (folder / "subprojects/intaglio").symlink_to(root)
    run(["meson", "setup", folder / "build", folder, "--wrap-mode=nodownload"])
    run(["ninja", "-C", folder / "build"])
    check(folder / "build/program", "Meson subproject")


def pkg_config(folder):
    need("meson", "ninja", "pkg-config")
    prefix = meson_install(folder)
    flags = run(["pkg-config", "--cflags", "--libs", "intaglio"], PKG_CONFIG_PATH=prefix / "share/pkgconfig").split()
    if "-ffp-contract=off" not in flags:
        raise Fault(f"pkg-config says {flags}")
    run([*compiler, "-std=c++20", example, *flags, "-o", folder / "program"])
    check(folder / "program", "pkg-config")


CMAKE = """
cmake_minimum_required(VERSION 3.21)
project(consumer LANGUAGES CXX)
{take}
add_executable(program main.cpp)
target_link_libraries(program PRIVATE intaglio::intaglio)
"""


def cmake_program(folder, take, what, *options):
    consumer(folder, {"CMakeLists.txt": CMAKE.format(take=take)})
    run(["cmake", "-S", folder, "-B", folder / "build", *options])
    run(["cmake", "--build", folder / "build"])
    check(folder / "build/program", what)


def cmake_install(folder):
    need("meson", "ninja", "cmake")
    series = re.search(r"version: '(\d+\.\d+)", (root / "meson.build").read_text()).group(1)
    by_meson, by_cmake = meson_install(folder / "meson"), folder / "cmake" / "prefix"
    run(["cmake", "-S", root, "-B", folder / "cmake/build", f"-DCMAKE_INSTALL_PREFIX={by_cmake}"])
    run(["cmake", "--install", folder / "cmake/build"])
    trees = [{path.relative_to(prefix): path.read_bytes() for path in prefix.rglob("*") if path.is_file()}
             for prefix in (by_meson, by_cmake)]
    trees[0].pop(pathlib.Path("share/pkgconfig/intaglio.pc"))
    if trees[0] != trees[1]:
        different = {path for path in trees[0].keys() | trees[1].keys() if trees[0].get(path) != trees[1].get(path)}
        raise Fault(f"Meson and CMake install differently: {', '.join(map(str, different))}")
    moved = by_meson.rename(folder / "elsewhere")  # packages may be moved
    cmake_program(folder / "consumer", f"find_package(intaglio {series} REQUIRED)", "find_package",
                  f"-DCMAKE_PREFIX_PATH={moved}")
    # who asks for another series is refused
    for asked in ("0.0", "0.99", "7"):
        consumer(folder / "asks", {"CMakeLists.txt": CMAKE.format(take=f"find_package(intaglio {asked} REQUIRED)")})
        try:
            run(["cmake", "-S", folder / "asks", "-B", folder / "asks/build", f"-DCMAKE_PREFIX_PATH={moved}"])
        except Fault as fault:
            if "compatible with requested version" not in str(fault):
                raise
        else:
            raise Fault(f"find_package(intaglio {asked}) finds {series}")


def cmake_subdirectory(folder):
    need("cmake")
    fetch = f"""include(FetchContent)
FetchContent_Declare(intaglio SOURCE_DIR "{root}")
FetchContent_MakeAvailable(intaglio)"""
    cmake_program(folder / "fetched", fetch, "FetchContent")
    consumer(folder / "sub", {"CMakeLists.txt": CMAKE.format(take=f'add_subdirectory("{root}" intaglio)')})
    run(["cmake", "-S", folder / "sub", "-B", folder / "sub/build"])


def xsimd(folder):
    """FP32 products, the one user of xsimd, have the same bits with another version of it."""
    other = pathlib.Path(environment.get("INTAGLIO_XSIMD", ""))
    other = next((path for path in (other / "include", other) if (path / "xsimd/xsimd.hpp").exists()), None)
    if not environment.get("INTAGLIO_XSIMD"):
        skip("INTAGLIO_XSIMD names no other version of xsimd")
    if not other:
        raise Fault("INTAGLIO_XSIMD has no xsimd/xsimd.hpp")
    text = (other / "xsimd/config/xsimd_config.hpp").read_text()
    print("xsimd " + ".".join(re.search(rf"XSIMD_VERSION_{part} (\d+)", text).group(1)
                              for part in ("MAJOR", "MINOR", "PATCH")))
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    has = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    outputs = {}
    for flags, needs in (([], set()), (["-msse4.1"], {"sse4_1"}), (["-mavx2", "-mfma"], {"avx2", "fma"}),
                         (["-march=skylake-avx512"], {"avx512bw", "pku"})):
        if not needs <= has:
            print(f"skipped: this CPU does not run {' '.join(flags)}")
            continue
        for version in ([], ["-isystem", other]):
            program = folder / "program"
            run([*compiler, "-std=c++20", "-ffp-contract=off", *STRICT, *version, f"-I{root / 'include'}", *flags,
                 root / "tests/packaging/float_product.cpp", "-pthread", "-o", program])
            outputs[" ".join([*flags, "other xsimd" if version else "installed xsimd"])] = run([program])
    if len(set(outputs.values())) != 1:
        raise Fault("\n".join(f"{name}: {output.strip()}" for name, output in outputs.items()))
    global passed
    passed += len(outputs)


ways = {"version": version, "include-path": include_path, "meson-subproject": meson_subproject,
        "pkg-config": pkg_config, "cmake-install": cmake_install,
        "cmake-subdirectory": cmake_subdirectory, "xsimd": xsimd}
with tempfile.TemporaryDirectory() as name:
    try:
        ways[way](pathlib.Path(name))
    except Fault as fault:
        print(fault)
        print(f"{passed} passed, 1 failed, 0 skipped")
        sys.exit(1)
print(f"{passed} passed, 0 failed, 0 skipped")
