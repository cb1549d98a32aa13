# SPDX-License-Identifier: Apache-2.0
"""The ONNX models of the benchmark of inference against the scalar text: `check_onnx.py PROGRAM SOURCE_ROOT`.

PROGRAM (plain_networks.cpp) writes small networks with every turn that a graph can take and what the scalar text
answers. bench/inference/onnx_model.py makes ONNX models of them, which are evaluated here operator by operator, in
doubles: codes may differ by one where they round, and addends of a sum are coded once more, so logits differ by some
per cent at most; a weight or a pixel in another place would be another answer. Skipped without python3-onnx."""

import os
import pathlib
import subprocess
import sys
import tempfile

sys.path[:0] = [str(pathlib.Path(sys.argv[2]) / "bench"), str(pathlib.Path(sys.argv[2]) / "bench" / "inference")]
from server import python_with  # bench/server.py

python = python_with("numpy", "onnx")
if not python:
    print("skipped: no Python here has onnx (Debian: python3-onnx)")
    sys.exit(77)
if python != sys.executable:
    os.execv(python, [python, *sys.argv])

import numpy
import onnx
from onnx import numpy_helper

import onnx_model  # bench/inference/onnx_model.py


def windows(x, kernel, strides, pads, dilations, fill):
    """(batch, channels, rows, columns, taps) of images with padding."""
    x = numpy.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=fill)
    height, width = ((x.shape[2 + i] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1 for i in range(2))
    taps = [x[:, :, r * dilations[0]:r * dilations[0] + (height - 1) * strides[0] + 1:strides[0],
              c * dilations[1]:c * dilations[1] + (width - 1) * strides[1] + 1:strides[1]]
            for r in range(kernel[0]) for c in range(kernel[1])]
    return numpy.stack(taps, axis=-1)


def convolution(x, weight, bias, kernel_shape, strides, pads, dilations, group):
    taps = windows(x, kernel_shape, strides, pads, dilations, 0)
    parts = [numpy.einsum("bchwt,oct->bohw", part, filters.reshape(*filters.shape[:2], -1))
             for part, filters in zip(numpy.split(taps, group, 1), numpy.split(weight, group))]
    return numpy.concatenate(parts, 1) + bias.reshape(1, -1, 1, 1)


def average(x, kernel_shape, strides, pads, count_include_pad):
    taps = windows(x, kernel_shape, strides, pads, (1, 1), numpy.nan)
    return numpy.nansum(taps, -1) / len(taps[0, 0, 0, 0]) if count_include_pad else numpy.nanmean(taps, -1)


def response_norm(x, size, alpha, beta, bias):
    square = numpy.pad(x**2, ((0, 0), ((size - 1) // 2, size // 2), (0, 0), (0, 0)))
    total = sum(square[:, i:i + x.shape[1]] for i in range(size))
    return x / (bias + alpha / size * total)**beta


def dequantized(codes, step, zero, axis=1):
    shape = [-1 if step.ndim and i == axis else 1 for i in range(codes.ndim)]
    return (codes.astype(float) - zero.reshape(shape)) * step.reshape(shape).astype(float)


OPERATORS = {
    "QuantizeLinear": lambda x, step, zero: numpy.clip(numpy.rint(x / float(step)) + zero, 0, 255).astype(numpy.uint8),
    "DequantizeLinear": dequantized,
    "Conv": convolution,
    "Gemm": lambda x, weight, bias, transB: x @ weight.T + bias,
    "Add": numpy.add,
    "Relu": lambda x: numpy.maximum(x, 0),
    "MaxPool": lambda x, kernel_shape, strides, pads: windows(x, kernel_shape, strides, pads, (1, 1), 0).max(-1),
    "AveragePool": average,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdims=True),
    "LRN": response_norm,
    "Concat": lambda *parts, axis: numpy.concatenate(parts, axis),
    "Reshape": lambda x, shape: x.reshape(x.shape[0], -1),
    "Slice": lambda x, starts, ends, axes, steps: x[:, :, ::steps[0], ::steps[1]],
    "Pad": lambda x, pads, fill: numpy.pad(x, list(zip(pads[:4], pads[4:])), constant_values=fill),
}


def evaluated(model, images):
    values = {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}
    values["images"] = images
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = OPERATORS[node.op_type](*(values[i] for i in node.input), **attributes)
    return values[model.graph.output[0].name]


def main(program):
    with tempfile.TemporaryDirectory() as folder:
        names = subprocess.run([program, folder], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
        for name in names:
            model, plain = (pathlib.Path(folder) / (name + end) for end in (".safetensors", "-plain.safetensors"))
            made = onnx_model.model_of(model, plain)
            given, _ = onnx_model.read_safetensors(plain)
            got = evaluated(made, given["images"].transpose(0, 3, 1, 2).astype(float))
            difference = got.reshape(given["logits"].shape) - given["logits"]
            share = numpy.sqrt((difference**2).sum() / (given["logits"]**2).sum())
            print(f"{name}: {len(made.graph.node)} operators, logits differ by {100 * share:.2f} %")
            if share > 0.1:
                sys.exit(f"{name}: the model means something else")


if __name__ == "__main__":
    main(sys.argv[1])
