# SPDX-License-Identifier: Apache-2.0
"""Reads safetensors files, such as our model files and checkpoints (docs/files.md), for the benchmarks' scripts."""

import json

import numpy

TYPES = {"I8": numpy.int8, "U8": numpy.uint8, "I16": numpy.int16, "I32": numpy.int32, "U32": numpy.uint32,
         "I64": numpy.int64, "U64": numpy.uint64, "F32": numpy.float32, "F64": numpy.float64}


def read_safetensors(path):
    """The tensors of a file, and its metadata."""
    data = numpy.fromfile(path, numpy.uint8)
    start = 8 + int(data[:8].view("<u8")[0])
    header = json.loads(bytes(data[8:start]))
    metadata = header.pop("__metadata__", {})
    return {name: data[start + at["data_offsets"][0]:start + at["data_offsets"][1]].view(TYPES[at["dtype"]])
            .reshape(at["shape"]) for name, at in header.items()}, metadata
