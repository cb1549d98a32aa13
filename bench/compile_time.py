#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How long programs take to compile that include the library: `tools/bench compile`.

Compile time is a cost that users pay for every file. Each program below is compiled with the flags of one instruction
set, a few times; the best time counts. Some have limits: a program with one product, the training presets of one
instruction set (the unit that tests and benches link), a program that trains. Ends with status 1 where a limit is
passed. Writes build/bench/compile.json.
"""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent

PRODUCT = """
#include "intaglio/gemm/gemm.hpp"
using namespace intaglio;
void product(lhs_view<{0}> a, rhs_view<{0}> b, matrix_view<float> out) {{
    gemm<{0}>(a, b, out);
}}
"""
CONVOLUTION = """
#include "intaglio/conv/forward.hpp"
using namespace intaglio;
void convolution(const conv_geometry& g, std::span<const std::int16_t> x, const packed_filter<{0}>& filter,
                 matrix_view<float> out) {{
    conv_forward<{0}>(g, x, 1.0, filter, out);
}}
"""

TRAINING = """
#include "intaglio/models/resnet.hpp"
#include "intaglio/train/trainer.hpp"
using namespace intaglio;
double train_some(nn::parameters first, std::span<const float> images, std::span<const std::int32_t> labels) {
    train::trainer<std::int16_t> training(models::resnet(50), 8, std::move(first), {}, {.momentum = 0.9F});
    double sum = 0;
    for (int i = 0; i < 10; ++i) sum += training.step(images, labels, 0.1).loss;
    return sum;
}
"""

# name, program text or file, limit in seconds or None
PROGRAMS = [
    ("nothing, header gemm.hpp", '#include "intaglio/gemm/gemm.hpp"\n', None),
    ("one product, fp32", PRODUCT.format("fp32"), 5),
    ("one product, dfp16_training", PRODUCT.format("dfp16_training"), 5),
    ("one product, int8_inference", PRODUCT.format("int8_inference"), 5),
    ("one product, ternary8_locked<2>", PRODUCT.format("ternary8_locked<2>"), 5),
    ("one convolution, dfp16_training", CONVOLUTION.format("dfp16_training"), None),
    ("training presets of one arch", ROOT / "bench/kernel_table_training.cpp", 20),
    ("training in INT16, and one model", TRAINING, 30),
]


def compile_once(compiler, flags, source):
    with tempfile.TemporaryDirectory() as folder:
        command = [*compiler, "-std=c++20", "-O3", "-DNDEBUG", *flags, f"-I{ROOT}/include", f"-I{ROOT}/bench",
                   "-c", str(source), "-o", f"{folder}/out.o"]
        start = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.monotonic() - start
    if done.returncode != 0:
        sys.exit(f"bench compile: {shlex.join(command)}\n{done.stderr}")
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default=os.environ.get("CXX", "c++"))
    parser.add_argument("--flags", default="-mavx2 -mfma", help="of the instruction set (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", default=str(ROOT / "build/bench/compile.json"))
    options = parser.parse_args()
    compiler, flags = shlex.split(options.compiler), shlex.split(options.flags)

    version = subprocess.run([*compiler, "--version"], capture_output=True, text=True, check=True).stdout
    version = version.splitlines()[0]
    print(f"{version}, -O3 {options.flags}; best of {options.repeats}")
    rows, late = [], False
    with tempfile.TemporaryDirectory() as folder:
        for name, program, limit in PROGRAMS:
            source = program
            if isinstance(program, str):
                source = pathlib.Path(folder) / "program.cpp"
                source.write_text(program)
            seconds = min(compile_once(compiler, flags, source) for _ in range(options.repeats))
            rows.append({"program": name, "seconds": seconds, "limit": limit})
            late = late or (limit is not None and seconds > limit)
            verdict = f"   limit {limit} s" + ("  TOO LONG" if seconds > limit else "") if limit else ""
            print(f"{name:36} {seconds:6.1f} s{verdict}", flush=True)
    output = pathlib.Path(options.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({"compiler": version, "flags": options.flags, "rows": rows}, indent=1) + "\n")
    print(f"rows: {output}")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
