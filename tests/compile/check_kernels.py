#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kernels of an instruction set that this CPU lacks: they can't be tested here, but they compile.

check_kernels.py ARCH ROOT CXX FLAGS...   all kernels of bench/kernel_table_*.cpp, and the products of policies in whose
                                          digits instruction sets differ, without making code of them
"""

import pathlib
import subprocess
import sys


def main(arguments: list[str]) -> int:
    arch, root, *compiler = arguments
    bench = pathlib.Path(root) / "bench"
    sources = sorted(bench.glob("kernel_table_*.cpp"))
    table = pathlib.Path(root) / "tests" / "gemm" / "policy_table.py"
    policies = subprocess.run([sys.executable, str(table), "products", "bytes"], capture_output=True, text=True,
                              check=True).stdout
    units = [(source.name, source.read_text(encoding="utf-8")) for source in sources] + [(table.name, policies)]
    broken = 0
    for name, text in units:
        command = [*compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-psabi",
                   f"-I{root}/include", f"-I{bench}", "-x", "c++", "-"]
        run = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            broken += 1
            print(f"{name} for {arch}:\n{run.stderr[:4000]}")
    print(f"{len(units) - broken} passed, {broken} failed, 0 skipped")
    return 1 if broken or not sources else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
