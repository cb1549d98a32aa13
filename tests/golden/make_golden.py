# SPDX-License-Identifier: Apache-2.0
"""Writes the golden files of this folder with PyTorch 1.13 (Debian python3-torch, python3-torchvision). README.md says
what is in them.

Numbers are not stored where a formula gives them: u(seed, i) below is the same in any language.
"""
import json
import struct
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision as tv

torch.set_num_threads(2)


def u(seed, count):
    """count numbers in [-1, 1), float32, exact: splitmix64 of (seed << 32) + i, its top 24 bits."""
    with np.errstate(over="ignore"):
        z = (np.uint64(seed) << np.uint64(32)) + np.arange(count, dtype=np.uint64)
        z = (z + np.uint64(0x9E3779B97F4A7C15))
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) / 8388608.0 - 1.0).astype(np.float32)


def tensor(seed, *shape, scale=1.0, grad=False):
    t = torch.from_numpy(u(seed, int(np.prod(shape))) * np.float32(scale)).reshape(shape)
    return t.requires_grad_(grad)


class store:
    """A safetensors file."""
    kinds = {np.dtype("float32"): "F32", np.dtype("int64"): "I64", np.dtype("uint8"): "U8", np.dtype("float64"): "F64"}

    def __init__(self):
        self.entries, self.notes = {}, {}

    def add(self, name, value):
        a = value.detach().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        self.entries[name] = np.ascontiguousarray(a)

    def write(self, path):
        header, at, blobs = {"__metadata__": self.notes}, 0, []
        for name, a in self.entries.items():
            header[name] = {"dtype": self.kinds[a.dtype], "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
            at += a.nbytes
            blobs.append(a.tobytes())
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(path, "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))
        print(path, len(self.entries), "tensors,", at, "bytes")


def operations():
    s = store()

    def run(name, note, f, *inputs):
        """Inputs, output, and the gradient of sum(output * u(99)) with respect to each input."""
        s.notes[name] = note
        out = f(*inputs)
        d = tensor(99, *out.shape)
        wanted = [t for t in inputs if t.requires_grad]
        for i, t in enumerate(inputs):
            s.add(f"{name}.in{i}", t)
        s.add(f"{name}.out", out)
        for i, g in enumerate(torch.autograd.grad(out, wanted, d)):
            s.add(f"{name}.d_in{i}", g)

    def conv(name, n, c, h, w, o, kh, kw, **how):
        run(name, f"conv2d {how}", lambda x, k, b: F.conv2d(x, k, b, **how), tensor(1, n, c, h, w, grad=True),
            tensor(2, o, c // how.get("groups", 1), kh, kw, grad=True), tensor(3, o, grad=True))

    conv("conv_3x3", 2, 5, 7, 9, 6, 3, 3, stride=1, padding=1)
    conv("conv_7x7_s2", 1, 3, 15, 15, 8, 7, 7, stride=2, padding=3)
    conv("conv_1x1_s2", 2, 8, 7, 7, 4, 1, 1, stride=2, padding=0)
    conv("conv_rect", 1, 4, 6, 11, 5, 1, 7, stride=(1, 2), padding=(0, 3))
    conv("conv_dilated", 1, 4, 12, 12, 4, 3, 3, stride=1, padding=2, dilation=2)
    conv("conv_grouped", 2, 8, 6, 6, 12, 3, 3, stride=1, padding=1, groups=4)
    conv("conv_depthwise", 2, 8, 6, 6, 8, 3, 3, stride=2, padding=1, groups=8)
    run("linear", "linear", F.linear, tensor(4, 5, 17, grad=True), tensor(5, 11, 17, grad=True),
        tensor(6, 11, grad=True))

    for name, training in (("norm_training", True), ("norm_evaluation", False)):
        mean, var = tensor(7, 6, scale=0.3), tensor(8, 6, scale=0.3).abs() + 0.5
        s.add(name + ".running_mean_before", mean.clone()), s.add(name + ".running_var_before", var.clone())
        run(name, "batch_norm eps 1e-3 momentum 0.1",
            lambda x, g, b: F.batch_norm(x, mean, var, g, b, training, 0.1, 1e-3),
            (tensor(9, 4, 6, 5, 3) * 2 + 1).requires_grad_(), (tensor(10, 6) + 1.5).requires_grad_(),
            tensor(11, 6, grad=True))
        s.add(name + ".running_mean_after", mean), s.add(name + ".running_var_after", var)

    special = tensor(12, 1, 2, 6, 6)
    special[0, 0, 1, 1] = float("nan")
    special[0, 0, 4, 2] = float("inf")
    special[0, 1, 0, 0] = -0.0
    for name, t in (("", tensor(13, 2, 3, 7, 8)), ("_special", special)):
        run("relu" + name, "relu; NaN passes", F.relu, t.clone().requires_grad_())
        run("max_pool" + name, "max_pool2d 3, stride 2, padding 1; NaN wins",
            lambda x: F.max_pool2d(x, 3, 2, 1), t.clone().requires_grad_())
        run("max_pool_ceil" + name, "max_pool2d 3, stride 2, ceil_mode",
            lambda x: F.max_pool2d(x, 3, 2, 0, ceil_mode=True), t.clone().requires_grad_())
    run("average_pool", "avg_pool2d 3, stride 2, padding 1, padding counted",
        lambda x: F.avg_pool2d(x, 3, 2, 1), tensor(13, 2, 3, 7, 8, grad=True))
    run("average_pool_inside", "the same, padding not counted",
        lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), tensor(13, 2, 3, 7, 8, grad=True))
    run("adaptive_pool", "adaptive_avg_pool2d to 6 x 6 (AlexNet, VGG)",
        lambda x: F.adaptive_avg_pool2d(x, (6, 6)), tensor(14, 1, 3, 13, 8, grad=True))
    run("global_pool", "mean over pixels", lambda x: x.mean((2, 3)), tensor(15, 2, 3, 7, 7, grad=True))
    run("response_norm",
        "local_response_norm size 5, alpha 1e-4, beta 0.75, k 2 (AlexNet as published; alpha is divided by the size)",
        lambda x: F.local_response_norm(x, 5, 1e-4, 0.75, 2.0), (tensor(16, 2, 12, 3, 3) * 40).requires_grad_())
    run("response_norm_even", "local_response_norm size 4",
        lambda x: F.local_response_norm(x, 4, 1e-2, 0.75, 1.0), (tensor(16, 2, 12, 3, 3) * 40).requires_grad_())

    logits, labels = (tensor(17, 6, 1000) * 4).requires_grad_(), torch.tensor([0, 999, 256, 255, 500, 7])
    s.add("cross_entropy.labels", labels), s.add("cross_entropy.logits", logits)
    for smoothing in (0.0, 0.1):
        loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
        s.add(f"cross_entropy.loss_{smoothing}", loss.reshape(1))
        s.add(f"cross_entropy.d_logits_{smoothing}", torch.autograd.grad(loss, logits)[0])

    for nesterov in (False, True):
        w = tensor(18, 40, grad=True)
        optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=nesterov)
        steps = []
        for step in range(5):
            w.grad = tensor(20 + step, 40)
            optimizer.step()
            steps.append(w.detach().clone())
        s.add(f"sgd{'_nesterov' if nesterov else ''}.weights_after_each_of_5_steps", torch.stack(steps))

    def rates(make, steps):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.4, momentum=0.9)
        schedule, out = make(optimizer), []
        for _ in range(steps):
            out.append(optimizer.param_groups[0]["lr"])
            optimizer.step(), schedule.step()
        return np.array(out, dtype=np.float64)

    L = torch.optim.lr_scheduler
    s.add("schedule.step_10_20_x0.1", rates(lambda o: L.MultiStepLR(o, [10, 20]), 30))
    s.add("schedule.cosine_30", rates(lambda o: L.CosineAnnealingLR(o, 30), 30))
    s.add("schedule.poly_30_power_0.5", rates(lambda o: L.PolynomialLR(o, 30, 0.5), 30))
    s.add("schedule.onecycle_linear_40_first_0.15_div_25_final_1e4",
          rates(lambda o: L.OneCycleLR(o, 0.4, total_steps=40, pct_start=0.15, anneal_strategy="linear",
                                       cycle_momentum=False), 40))
    s.write("operations.safetensors")


NETWORKS = {
    "alexnet": lambda: tv.models.alexnet(),
    "vgg16": lambda: tv.models.vgg16(),
    "vgg16_bn": lambda: tv.models.vgg16_bn(),
    "googlenet": lambda: tv.models.googlenet(aux_logits=True, init_weights=False),
    "resnet18": lambda: tv.models.resnet18(),
    "resnet50": lambda: tv.models.resnet50(),
    "resnet101": lambda: tv.models.resnet101(),
}


def fill(model):
    """Parameter number k of the state dict, in its order, from u(1000 + k); num_batches_tracked is not counted."""
    k = 0
    for name, t in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        v = torch.from_numpy(u(1000 + k, t.numel())).reshape(t.shape)
        if t.dim() >= 2:
            v = v * float(np.float32(np.sqrt(6.0 / (t.numel() // t.shape[0]))))
        elif name.endswith("running_var"):
            v = 1.0 + 0.2 * v
        elif name.endswith("running_mean"):
            v = 0.1 * v
        elif name.endswith("weight"):
            v = 1.0 + 0.1 * v
        else:
            v = 0.05 * v
        t.copy_(v)
        k += 1


def networks():
    s = store()
    labels = torch.tensor([3, 977])
    x = tensor(500, 2, 3, 224, 224)
    for name, make in NETWORKS.items():
        model = make()
        with torch.no_grad():
            fill(model)
        for m in model.modules():
            if isinstance(m, nn.Dropout):
                m.p = 0.0
        model.eval()
        with torch.no_grad():
            s.add(name + ".evaluation_logits", model(x))
        model.train()
        out = model(x)
        main = out.logits if name == "googlenet" else out
        loss = F.cross_entropy(main, labels)
        if name == "googlenet":
            loss = loss + 0.3 * (F.cross_entropy(out.aux_logits1, labels) + F.cross_entropy(out.aux_logits2, labels))
        loss.backward()
        s.add(name + ".training_logits", main)
        s.add(name + ".training_loss", loss.reshape(1))
        digest = []
        for pname, p in model.named_parameters():
            g = p.grad.double().reshape(-1)
            digest.append([float(g.sum()), float(g.abs().sum()), float((g * g).sum().sqrt()),
                           float(g[0]), float(g[-1])])
        s.add(name + ".gradients", np.array(digest))
        s.notes[name + ".parameters"] = json.dumps([[n, list(p.shape)] for n, p in model.named_parameters()])
        s.notes[name + ".count"] = str(sum(p.numel() for p in model.parameters()))
        print(name, s.notes[name + ".count"], float(loss), flush=True)
    s.write("networks.safetensors")


if __name__ == "__main__":
    if "networks" not in sys.argv[1:]:
        operations()
    if "operations" not in sys.argv[1:]:
        networks()
