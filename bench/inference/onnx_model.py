# SPDX-License-Identifier: Apache-2.0
"""An ONNX model of a network in 8-8, for ONNX Runtime: `onnx_model.py MODEL PLAIN ONNX`.

MODEL is a model file (docs/model-file.md), PLAIN its weights without entropy coding (plain_weights.hpp). The ONNX model
has the same codes and steps, in the form that ONNX Runtime fuses into its integer operators: floats between
QuantizeLinear and DequantizeLinear. Activations are u8, unsigned with zero point 0, signed with 128; weights s8 with a
step for each output channel; biases int32 in steps of the products. What keeps codes (maxima, flattening, shortcuts,
concatenation of one format) reads and writes codes.

One number more is needed: ONNX Runtime sums codes, so a product that is only an addend here is quantized on the way.
Its range is the narrowest on which no answer depends: what reaches the sum's format from whatever the other addend is.
ValueError for an operation that is not written here."""

import json
import pathlib
import sys

import numpy
from onnx import TensorProto, checker, helper, numpy_helper, save

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from safetensors_file import read_safetensors  # bench/safetensors_file.py


def both(value):
    """The two numbers of an option that may be one."""
    return list(value) if isinstance(value, list) else [value, value]


class Node:
    """A node of the graph, with every option."""

    def __init__(self, line, nodes):
        self.name, self.kind, inputs, self.options = line[:4]
        self.inputs = [nodes[i] for i in inputs]
        self.readers = []
        for from_node in self.inputs:
            from_node.readers.append(self)
        self.step = abs(line[4]) if len(line) > 4 else None  # of its codes; None: real numbers
        self.zero = 128 if len(line) > 4 and line[4] < 0 else 0  # the u8 code of 0
        self.format = (self.step, self.zero)

    def low(self):
        return -127 * self.step if self.zero else 0

    def high(self):
        return (127 if self.zero else 255) * self.step

    def take(self, name, default):
        return self.options.get(name, default)


class Writer:
    """Adds the nodes of an ONNX graph one after another; reals(node) and codes[node] name what a node hands on."""

    def __init__(self, text, weights):
        self.weights, self.steps = weights, {}
        self.onnx, self.constants = [], []
        self.codes, self.formats, self.real_names, self.shapes = {}, {}, {}, {}
        nodes = []
        for line in text["nodes"]:
            nodes.append(Node(line, nodes))
        for node in nodes:
            self.add(node)
        self.output = nodes[text["output"]]

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(numpy.asarray(value, order="C"), name))
        return name

    def op(self, kind, inputs, name, **attributes):
        self.onnx.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def format(self, name, step, zero):
        return [self.constant(name + ".step", numpy.float32(step)),
                self.constant(name + ".zero", numpy.uint8(zero))]

    def quantized(self, node, real, step, zero):
        """Codes of real numbers, which readers take as codes or as real numbers."""
        self.steps[node] = step
        with_step = self.format(node.name, step, zero)
        self.put(node, self.op("QuantizeLinear", [real] + with_step, node.name + ".codes"), with_step)

    def put(self, node, codes, with_step):
        self.codes[node], self.formats[node] = codes, with_step

    def reals(self, node):
        """The name of a node's values as real numbers."""
        if node not in self.real_names:
            self.real_names[node] = self.op("DequantizeLinear", [self.codes[node]] + self.formats[node],
                                            node.name + ".reals")
        return self.real_names[node]

    def add(self, node):
        handle = getattr(self, "write_" + node.kind, None)
        if handle is None:
            raise ValueError(f"{node.name}: a {node.kind} has no form in ONNX here")
        real = handle(node)
        if real is None:
            return  # codes were put
        sum_of = next((r for r in node.readers if r.kind == "add"), None)
        if node.step:
            self.quantized(node, real, *node.format)
        elif sum_of:
            self.quantized(node, real, *self.addend_format(node, sum_of))
        else:
            self.real_names[node] = real

    def addend_format(self, node, add):
        """Step and zero of an addend that is not stored: sum - the other addend, whatever both are."""
        other = next(n for n in add.inputs if n is not node)
        stored = add if add.step or not add.readers else add.readers[0]
        if not stored.step:
            raise ValueError(f"{node.name}: the range of a sum that is not stored is not known")
        low, high = stored.low() - other.high(), stored.high() - other.low()
        step = (high - low) / 255
        return step, round(-low / step)

    def write_input(self, node):
        self.shapes[node] = [node.options[k] for k in ("height", "width", "channels")]
        return "images"

    def write_convolution(self, node):
        x, o = node.inputs[0], node.options
        kernel, stride, pad, dilation = (both(node.take(k, d)) for k, d in (("kernel", 1), ("stride", 1),
                                                                            ("padding", 0), ("dilation", 1)))
        h, w, _ = self.shapes[x]
        self.shapes[node] = [(size + 2 * pad[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1
                             for i, size in enumerate((h, w))] + [o["out_channels"]]
        groups = node.take("groups", 1)
        codes = self.weights[node.name + ".codes"].reshape(o["out_channels"], *kernel, o["in_channels"] // groups)
        return self.op("Conv", [self.reals(x)] + self.weights_of(node, codes.transpose(0, 3, 1, 2)), node.name,
                       kernel_shape=kernel, strides=stride, pads=pad + pad, dilations=dilation, group=groups)

    def write_linear(self, node):
        x = node.inputs[0]
        codes = self.weights[node.name + ".codes"]
        flat = self.codes[x]
        with_step = [x.name + ".step", x.name + ".zero"]
        if x.kind == "flatten":  # pixels before channels here, channels before pixels there
            h, w, c = self.shapes[x.inputs[0]]
            codes = codes.reshape(-1, h, w, c).transpose(0, 3, 1, 2).reshape(len(codes), -1)
        elif self.shapes[x][:2] == [1, 1]:
            flat = self.op("Reshape", [flat, self.constant(node.name + ".shape", numpy.int64([0, -1]))],
                           node.name + ".flat")
        self.shapes[node] = [1, 1, len(codes)]
        real = self.op("DequantizeLinear", [flat] + with_step, node.name + ".in")
        return self.op("Gemm", [real] + self.weights_of(node, codes), node.name, transB=1)

    def weights_of(self, node, codes):
        """Names of the weights and the biases, as real numbers."""
        steps = self.weights[node.name + ".steps"]
        unit = numpy.float32(self.steps[node.inputs[0]]) * steps
        bias = numpy.rint(self.weights[node.name + ".bias"].astype(numpy.float64) / unit)
        if numpy.abs(bias).max() >= 2**31:
            raise ValueError(f"{node.name}: a bias is beyond int32")
        name = node.name
        zeros = [self.constant(name + ".weight_zeros", numpy.zeros(len(steps), numpy.int8)),
                 self.constant(name + ".bias_zeros", numpy.zeros(len(steps), numpy.int32))]
        weight = self.op("DequantizeLinear", [self.constant(name + ".weight_codes", codes),
                                              self.constant(name + ".weight_steps", steps), zeros[0]],
                         name + ".weights", axis=0)
        bias = self.op("DequantizeLinear", [self.constant(name + ".bias_codes", bias.astype(numpy.int32)),
                                            self.constant(name + ".bias_steps", unit), zeros[1]],
                       name + ".biases", axis=0)
        return [weight, bias]

    def same_shape(self, node):
        self.shapes[node] = self.shapes[node.inputs[0]]

    def write_add(self, node):
        self.same_shape(node)
        return self.op("Add", [self.reals(x) for x in node.inputs], node.name)

    def write_relu(self, node):
        self.same_shape(node)
        return self.op("Relu", [self.reals(node.inputs[0])], node.name)

    def keep(self, node, codes):
        """Codes in the format of the first input."""
        x = node.inputs[0]
        self.steps[node] = self.steps[x]
        self.put(node, codes, self.format(node.name, *node.format))

    def window(self, node):
        """The attributes of a pool, with the padding behind that its last window needs; sets the shape."""
        x = node.inputs[0]
        kernel, stride, pad = (both(node.take(k, d)) for k, d in (("kernel", 1), ("stride", 0), ("padding", 0)))
        sizes, behind = [], []
        for i, size in enumerate(self.shapes[x][:2]):
            room = size + 2 * pad[i] - kernel[i]
            sizes.append(room // stride[i] + 1)
            if node.take("ceil_mode", False) and room % stride[i] and sizes[i] * stride[i] < size + pad[i]:
                sizes[i] += 1
            behind.append(max(0, (sizes[i] - 1) * stride[i] + kernel[i] - size - pad[i]))
        self.shapes[node] = sizes + self.shapes[x][2:]
        return {"kernel_shape": kernel, "strides": stride, "pads": pad + behind}

    def write_max_pool(self, node):
        self.keep(node, self.op("MaxPool", [self.codes[node.inputs[0]]], node.name, **self.window(node)))

    def write_average_pool(self, node):
        window = self.window(node)
        pads = node.take("count_include_pad", True) and any(both(node.take("padding", 0)))
        if pads and window["pads"][2:] != window["pads"][:2]:
            raise ValueError(f"{node.name}: padding that counts beside windows that end beyond it")
        return self.op("AveragePool", [self.reals(node.inputs[0])], node.name, count_include_pad=int(pads), **window)

    def write_local_response_norm(self, node):
        self.same_shape(node)
        take = node.take
        return self.op("LRN", [self.reals(node.inputs[0])], node.name, size=take("size", 5), alpha=take("alpha", 1e-4),
                       beta=take("beta", 0.75), bias=take("k", 1.0))

    def write_adaptive_average_pool(self, node):
        x = node.inputs[0]
        size, (h, w, c) = both(node.take("size", 1)), self.shapes[x]
        if h % size[0] or w % size[1]:
            raise ValueError(f"{node.name}: {h} x {w} pixels are no whole windows of a pool to {size}")
        self.shapes[node] = size + [c]
        kernel = [h // size[0], w // size[1]]
        if size == [1, 1]:
            return self.op("GlobalAveragePool", [self.reals(x)], node.name)
        if kernel == [1, 1] and node.format == x.format:
            return self.keep(node, self.codes[x])
        return self.op("AveragePool", [self.reals(x)], node.name, kernel_shape=kernel, strides=kernel)

    def write_flatten(self, node):
        x = node.inputs[0]
        if any(r.kind != "linear" for r in node.readers):
            raise ValueError(f"{node.name}: what reads it is no linear layer")
        h, w, c = self.shapes[x]
        self.shapes[node] = [1, 1, h * w * c]
        self.keep(node, self.op("Reshape", [self.codes[x], self.constant(node.name + ".shape", numpy.int64([0, -1]))],
                                node.name))

    def write_padded_shortcut(self, node):
        x = node.inputs[0]
        stride, before, after = both(node.take("stride", 1)), node.take("zeros_before", 0), node.take("zeros_behind", 0)
        h, w, c = self.shapes[x]
        self.shapes[node] = [-(-h // stride[0]), -(-w // stride[1]), c + before + after]
        cut = self.op("Slice", [self.codes[x]] + [self.constant(f"{node.name}.{k}", numpy.int64(v)) for k, v in (
            ("starts", [0, 0]), ("ends", [h, w]), ("axes", [2, 3]), ("strides", stride))], node.name + ".cut")
        zero = self.constant(node.name + ".fill", numpy.uint8(node.zero))
        self.keep(node, self.op("Pad", [cut, self.constant(node.name + ".pads", numpy.int64(
            [0, before, 0, 0, 0, after, 0, 0])), zero], node.name))

    def write_concatenate(self, node):
        self.shapes[node] = self.shapes[node.inputs[0]][:2] + [sum(self.shapes[x][2] for x in node.inputs)]
        if all(x.format == node.format for x in node.inputs):
            self.keep(node, self.op("Concat", [self.codes[x] for x in node.inputs], node.name, axis=1))
            return None
        return self.op("Concat", [self.reals(x) for x in node.inputs], node.name, axis=1)


def model_of(model, plain):
    """The ONNX model."""
    text = json.loads(read_safetensors(model)[1]["intaglio.model"])
    writer = Writer(text, read_safetensors(plain)[0])
    h, w, c = writer.shapes[next(iter(writer.shapes))]
    classes = writer.shapes[writer.output][2]
    graph = helper.make_graph(
        writer.onnx, text["name"],
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", c, h, w])],
        [helper.make_tensor_value_info(writer.reals(writer.output), TensorProto.FLOAT,
                                       ["batch", classes] + ([] if writer.output.kind == "linear" else [1, 1]))],
        writer.constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    made.ir_version = 8
    checker.check_model(made)
    return made


if __name__ == "__main__":
    save(model_of(sys.argv[1], sys.argv[2]), sys.argv[3])
