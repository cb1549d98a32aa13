# SPDX-License-Identifier: Apache-2.0
"""How far the weight gradients of a training's first step are from FP32's, by their cosine, for each way to store them:

    first_gradients.py build/train/examples/train --data DIR --network resnet50
                       [more options of the program]

The gradients are read from the momentum of a checkpoint behind one step without weight decay. What to hold them
against: FP32 itself with weights that differ by a share of 0.0001 and 0.0005 (normal, independent), since a gradient
jumps where a rectifier or a maximum chooses differently. Needs numpy."""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from safetensors_file import read_safetensors  # bench/safetensors_file.py

WAYS = {"dfp16": ["--precision", "dfp16"],
        "dfp16-paper": ["--precision", "dfp16-paper"],
        "dfp16 --head-room 0": ["--precision", "dfp16", "--head-room", "0"]}
SHARES = (1e-4, 5e-4)
LEAST_SIZE = 2048  # of a weight that counts; biases and norms do not


def momentum_of(file):
    """The gradients behind one step, by the names of the weights."""
    prefix = "momentum."
    return {name.removeprefix(prefix): v for name, v in read_safetensors(file)[0].items() if name.startswith(prefix)}


def write(file, named):
    header, offset = {}, 0
    for name, values in named.items():
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(v.tobytes() for v in named.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--data", required=True)
    parser.add_argument("--network", required=True)
    parser.add_argument("--batch", default="8")
    options, more = parser.parse_known_args()

    with tempfile.TemporaryDirectory() as place:
        def step(name, *words):
            """The checkpoint behind the first step."""
            folder = pathlib.Path(place) / name.replace(" ", "")
            subprocess.run([options.program, "--network", options.network, "--data", options.data, "--batch",
                            options.batch, "--steps", "1", "--weight-decay", "0", "--no-augmentation", "--test-every",
                            "0", "--save", str(folder), *more, *words],
                           check=True, stdout=subprocess.DEVNULL)
            return folder / "checkpoint.safetensors"

        expected = momentum_of(step("fp32", "--precision", "fp32"))
        runs = {name: step(name, *words) for name, words in WAYS.items()}
        start, _ = read_safetensors(step("start", "--precision", "fp32", "--lr", "1e-30"))
        weights = {name: v for name, v in start.items() if not name.startswith(("momentum.", "training."))}
        random = numpy.random.default_rng(1)
        for share in SHARES:
            noisy = {name: v if v.ndim < 2 else
                     (v * (1 + share * random.standard_normal(v.shape))).astype(numpy.float32)
                     for name, v in weights.items()}
            file = pathlib.Path(place) / f"{share}.safetensors"
            write(file, noisy)
            runs[f"fp32, weights off by {share}"] = step(f"noisy{share}", "--precision", "fp32", "--from", str(file))

        print(f"{'':30} least cosine   median   of {options.network}'s weight gradients")
        for name, file in runs.items():
            got, cosines = momentum_of(file), {}
            for weight, g in expected.items():
                if g.size >= LEAST_SIZE and g.any():
                    a, b = g.ravel().astype(float), got[weight].ravel().astype(float)
                    cosines[weight] = a @ b / numpy.sqrt(a @ a) / numpy.sqrt(b @ b)
            least = min(cosines, key=cosines.get)
            print(f"{name:30} {cosines[least]:12.4f} {numpy.median(list(cosines.values())):8.4f}   {least}", flush=True)


if __name__ == "__main__":
    main()
