# SPDX-License-Identifier: Apache-2.0
"""Training steps of PyTorch, for compare.py: `peer.py NETWORK BATCH THREADS WAY` with WAY one of fp32, fp32-channels-
last, bf16 and bf16-channels-last (autocast). Networks are torchvision's, those of bench/training/networks.hpp; images
are random, the optimizer is SGD with momentum and weight decay. Takes the orders of bench/training/main.cpp."""

import sys
import time


def status_mib(name):
    with open("/proc/self/status") as lines:
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name + ":")), 0)


def cifar_resnet20(torch):
    """ResNet-20 for 32 x 32 images (He et al., CVPR 2016, section 4.2) with shortcuts of option A."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(outputs)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(outputs)
            self.relu = nn.ReLU(inplace=True)
            self.stride, self.zeros = stride, (outputs - inputs) // 2

        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            if self.stride > 1:
                x = nn.functional.pad(x[:, :, ::self.stride, ::self.stride], (0, 0, 0, 0, self.zeros, self.zeros))
            return self.relu(y + x)

    layers = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    inputs = 16
    for outputs in (16, 32, 64):
        for i in range(3):
            layers.append(Block(inputs, outputs, 2 if i == 0 and outputs > 16 else 1))
            inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def network(torch, name):
    if name == "cifar-resnet20":
        return cifar_resnet20(torch), 32, 10
    from torchvision import models
    make = {"alexnet": lambda: models.alexnet(), "resnet50": lambda: models.resnet50(), "vgg16": lambda: models.vgg16(),
            "googlenet": lambda: models.googlenet(aux_logits=False, init_weights=False)}
    return make[name](), 224, 1000


def main(name, batch, threads, way):
    import torch
    import torchvision  # here, since its import is no memory of the network's
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    del torchvision
    memory_before = status_mib("VmRSS")
    net, image, classes = network(torch, name)
    images, labels = torch.randn(batch, 3, image, image), torch.randint(classes, (batch,))
    if way.endswith("channels-last"):
        net, images = (t.to(memory_format=torch.channels_last) for t in (net, images))
    net.train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=1e-4)
    loss_of = torch.nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        if way.startswith("bf16"):
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(net(images), labels)
        else:
            loss = loss_of(net(images), labels)
        loss.backward()
        optimizer.step()

    step()
    start = time.perf_counter()
    step()
    print("ready", torch.__version__.split("a")[0], time.perf_counter() - start, flush=True)
    for line in sys.stdin:
        order = line.split()
        if order and order[0] == "step":
            start = time.perf_counter()
            for _ in range(int(order[1])):
                step()
            print(time.perf_counter() - start, flush=True)
        elif order and order[0] == "memory":
            print(status_mib("VmHWM") - memory_before, flush=True)
        else:
            return


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
