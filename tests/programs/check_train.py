#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the program `train` promises, on the digits of this source tree and on synthetic images.

check_train.py threads|interrupt|kill|refuse|broken|learn|evaluate|images|usage PROGRAM

`kill` ends a training at random moments, by SIGKILL twice, or twenty times where INTAGLIO_TEST_ALL is 1, and by SIGINT
now and then. It prints its seed.
"""

import fcntl
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

PROGRAM = sys.argv[2]
PRECISIONS = ["fp32", "dfp16"]
LIMIT = 600  # seconds, of a machine that is busy with other things


def command(folder, *options):
    return [PROGRAM, "--save", str(folder), *map(str, options)]


def run(folder, *options):
    return subprocess.run(command(folder, *options), capture_output=True, text=True, timeout=LIMIT)


def expect(condition, *what):
    if not condition:
        print("failed:", *what)
        sys.exit(1)


def trained(folder, *options):
    done = run(folder, *options)
    expect(done.returncode == 0, done.args, "ended with", done.returncode, done.stderr)
    return checkpoint(folder)


def checkpoint(folder):
    return (folder / "checkpoint.safetensors").read_bytes()


def course(folder):
    """What was reported, without what depends on the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "images_per_second")} for line in lines]


def check_threads(work):
    """The same bits for any number of threads, and for any number that prepares images."""
    for precision in PRECISIONS:
        options = ["--precision", precision, "--steps", 50, "--batch", 48]
        one = trained(work / "1", *options, "--threads", 1)
        for threads in (2, 3):
            other = trained(work / str(threads), *options, "--threads", threads, "--loader-threads", threads)
            expect(other == one, precision, "differs with", threads, "threads")
        expect(trained(work / "seed", *options, "--seed", 2) != one, precision, "does not depend on the seed")
        for folder in work.iterdir():
            shutil.rmtree(folder)


def check_interrupt(work):
    """Ctrl-C saves and ends with 130, and what is resumed has the bits of what was not stopped."""
    for precision in PRECISIONS:
        options = ["--precision", precision, "--epochs", 6, "--report-every", 5]
        whole = trained(work / "whole", *options)
        part = work / "part"
        for stops in range(3):
            more = ["--resume"] if stops else []
            process = subprocess.Popen(command(part, *options, *more), stderr=subprocess.PIPE, text=True)
            for line in process.stderr:  # reports
                if line.startswith("step "):
                    process.send_signal(signal.SIGINT if stops != 1 else signal.SIGTERM)
                    break
            text = process.stderr.read()
            expect(process.wait(LIMIT) == (130 if stops != 1 else 143), "ended with", process.returncode, text)
            expect("--resume goes on" in text, "says how to go on:", text)
        expect(trained(part, *options, "--resume") == whole, precision, "was resumed to other bits")
        expect(course(part) == course(work / "whole"), precision, "reports another course")
        expect((part / "curves.svg").read_text() == (work / "whole" / "curves.svg").read_text(), "draws other curves")
        for folder in work.iterdir():
            shutil.rmtree(folder)


def check_kill(work):
    """A training that is killed or stopped at any moment goes on from its last checkpoint to the same bits."""
    every = os.environ.get("INTAGLIO_TEST_ALL") == "1"
    seed = random.randrange(1 << 32)
    print("seed", seed)
    moments = random.Random(seed)
    options = ["--epochs", 6, "--report-every", 5, "--save-minutes", "0.001"]
    start = time.monotonic()
    whole = trained(work / "whole", *options)
    longest = time.monotonic() - start
    part = work / "part"
    kills = stops = resumed = 0
    while kills < (20 if every else 2):
        if not (part / "checkpoint.safetensors").exists():
            more = []
        else:
            more = ["--resume"]
            resumed += 1
        process = subprocess.Popen(command(part, *options, *more), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            status = process.wait(moments.uniform(0, longest / (8 if every else 2)))
            expect(status == 0, "ended with", status)
            expect(checkpoint(part) == whole, "was resumed to other bits")
            shutil.rmtree(part)  # and once more
        except subprocess.TimeoutExpired:
            stop = moments.random() < 0.4  # in a step, a test, or while it writes
            process.send_signal(signal.SIGINT if stop else signal.SIGKILL)
            status = process.wait(LIMIT)
            expect(status in ([0, 130, -signal.SIGINT] if stop else [0, -signal.SIGKILL]), "ended with", status)
            kills += not stop
            stops += stop
    more = ["--resume"] if (part / "checkpoint.safetensors").exists() else []
    expect(trained(part, *options, *more) == whole, "was resumed to other bits")
    expect(course(part) == course(work / "whole"), "reports another course")
    print(kills, "kills,", stops, "stops,", resumed, "resumptions")


def check_refuse(work):
    """A checkpoint that is damaged, foreign, or of another training is refused, and nothing is changed."""
    options = ["--steps", 4]
    good = trained(work, *options)
    metrics = (work / "metrics.jsonl").read_bytes()
    path = work / "checkpoint.safetensors"

    def refused(data, options, *texts):
        path.write_bytes(data)
        done = run(work, *options, "--resume")
        expect(done.returncode == 2, "ended with", done.returncode, done.stderr)
        for text in texts:
            expect(text in done.stderr, f"'{text}' is not in", done.stderr)
        expect(path.read_bytes() == data, "the checkpoint was changed")
        expect((work / "metrics.jsonl").read_bytes() == metrics, "the reports were changed")

    name = str(path)
    refused(good[: len(good) // 2], options, name)
    refused(b"", options, name)
    refused(good[:-1] + bytes([good[-1] ^ 1]), options, name, "damaged")
    refused(good[:8] + b"x" + good[9:], options, name)
    refused(good.replace(b"training.format", b"training.formas"), options, name, "is no checkpoint of a training")
    for more, before, here in [
        (["--lr", 0.5], "--lr 0.1", "--lr 0.5"),
        (["--precision", "fp32"], "--precision dfp16", "--precision fp32"),
        (["--seed", 7], "--seed 1", "--seed 7"),
        (["--network", "small_cnn", "--data", "digits"], "--", "--"),
        (["--batch", 16], "--batch 32", "--batch 16"),
        (["--no-augmentation"], "augmentation yes", "augmentation no"),
    ]:
        refused(good, [*options, *more], name, before, here)
    refused(good, ["--steps", 5], name, "steps in all 4", "steps in all 5")
    path.write_bytes(good)
    expect(trained(work, *options, "--resume") == good, "a training that is done changed by resuming it")
    done = run(work, *options)
    expect(done.returncode == 2 and "--resume" in done.stderr, "begins where a training is:", done.stderr)
    folder = os.open(work, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    refused(good, options, str(work), "another process")
    os.close(folder)
    done = run(work / "nothing", *options, "--resume")
    expect(done.returncode == 2 and "no checkpoint to resume" in done.stderr, done.stderr)


def check_broken(work):
    """A loss that is not finite stops a training with its step, its tensor and advice; the last checkpoint stays."""
    for precision, minutes in [(p, m) for p in PRECISIONS for m in (0, 5)]:
        folder = work / f"{precision}-{minutes}"
        options = ["--precision", precision, "--steps", 40, "--save-minutes", minutes]
        done = run(folder, *options, "--lr", "1e9", "--schedule", "constant", "--no-nesterov", "--warmup", 0)
        expect(done.returncode == 1, precision, "ended with", done.returncode, done.stderr)
        for text in ["step ", "lower the learning rate", "is kept", "checkpoint.safetensors"]:
            expect(text in done.stderr, f"'{text}' is not in", done.stderr)
        expect("conv" in done.stderr or "norm" in done.stderr or "fc" in done.stderr, "no tensor in", done.stderr)
        print(done.stderr)
        test = run(folder, "--precision", "fp32", "--evaluate", folder / "checkpoint.safetensors")
        expect(test.returncode == 0, "the checkpoint can't be tested:", test.stderr)


def check_learn(work):
    """Handwritten digits are learned from three seeds in both formats."""
    for precision in PRECISIONS:
        for seed in (1, 2, 3):
            folder = work / f"{precision}-{seed}"
            trained(folder, "--precision", precision, "--seed", seed, "--epochs", 6)
            accuracy = course(folder)[-1]["test_accuracy"]
            print(precision, "seed", seed, f"{100 * accuracy:.2f} %")
            expect(accuracy >= 0.98, precision, "with seed", seed, "has only", accuracy)


def check_evaluate(work):
    """--evaluate gives the figures of the training's last test; --profile a table."""
    done = run(work, "--steps", 30, "--profile")
    expect(done.returncode == 0, done.stderr)
    for text in ["whole step", "conv4", "weight gradient", "Waited for data", "images/s"]:
        expect(text in done.stdout, f"'{text}' is not in", done.stdout)
    last = course(work)[-1]
    weights = work / "checkpoint.safetensors"
    test = run(work, "--evaluate", weights)
    expect(test.returncode == 0, test.stderr)
    expect(f"loss {last['test_loss']:.4f}, top-1 {100 * last['test_accuracy']:.2f} %" in test.stdout, last, test.stdout)
    drawing = work / "both.svg"
    done = run(work, "--draw", drawing, work, work)
    expect(done.returncode == 0 and f"{work.name}, test" in drawing.read_text(), done.stderr)
    warm = work / "warm"
    trained(warm, "--from", weights, "--lr", 0, "--steps", 5)
    begun, cold = course(warm)[0]["train_loss"], course(work)[0]["train_loss"]
    expect(begun < cold, "--from begins with a loss of", begun, "a new training with", cold)


def png(path, size, pixel):
    """Writes an image of size x size pixels, each the three bytes that pixel(y, x) gives."""
    rows = b"".join(b"\0" + b"".join(bytes(pixel(y, x)) for x in range(size)) for y in range(size))

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) +
                     chunk(b"IEND", b""))


def check_images(work):
    """A folder of images trains and tests; one that is damaged is told before any training."""
    data = work / "data"
    for part, count in (("train", 6), ("val", 3)):
        for c, name in enumerate(["down", "up"]):
            (data / part / name).mkdir(parents=True)
            for i in range(count):
                png(data / part / name / f"{i}.png", 36 + i, lambda y, x: (5 * y if c else 250 - 5 * y, 9 * i, x))
    options = ["--network", "resnet18", "--image-size", 32, "--data", data, "--batch", 4, "--steps", 4]
    done = run(work / "one", *options)
    if "built without" in done.stderr:
        print("skipped: no libpng")
        sys.exit(77)
    expect(done.returncode == 0, done.stderr)
    last = course(work / "one")[-1]
    expect(last["step"] == 4 and "test_accuracy" in last, last)
    whole = checkpoint(work / "one")
    other = trained(work / "two", *options, "--loader-threads", 3)
    expect(other == whole, "the threads that decode change the bits")
    test = run(work, *options[:6], "--evaluate", work / "one" / "checkpoint.safetensors", "--batch", 4)
    expect(test.returncode == 0 and "6 test images" in test.stdout, test.stdout, test.stderr)

    broken = data / "val" / "up" / "1.png"
    broken.write_bytes(b"this is no image")
    done = run(work / "three", *options)
    expect(done.returncode == 2 and str(broken) in done.stderr, done.returncode, done.stderr)
    shutil.rmtree(data / "val" / "up")
    done = run(work / "three", *options)
    expect(done.returncode == 2 and "its 1 classes are not the 2 of 'train'" in done.stderr, done.stderr)
    shutil.rmtree(data / "val")
    done = run(work / "three", *options)
    expect(done.returncode == 2 and "neither 'val' nor 'test'" in done.stderr, done.stderr)
    expect(not (work / "three").exists(), "left a folder")


def check_usage(work):
    """What can't be is told before any training."""
    for options, *texts in [
        (["--network", "resnet51"], "resnet51", "resnet50"),
        (["--data", "cifar11"], "cifar11", "cifar10:DIR"),
        (["--data", "cifar10:/nowhere", "--network", "resnet20"], "/nowhere"),
        (["--data", "digits:/nowhere.csv"], "/nowhere.csv"),
        (["--data", "digits", "--network", "resnet20"], "32 x 32 x 3", "8 x 8 x 1"),
        (["--network", "resnet50"], "--data", "synthetic"),
        (["--network", "resnet50", "--data", "/nowhere/images"], "/nowhere/images"),
        (["--precision", "int4"], "--precision"),
        (["--batch", "0"], "--batch"),
        (["--batch", "5000"], "1438", "--batch"),
        (["--momentum", "1"], "momentum"),
        (["--warmup", "99"], "--warmup"),
        (["--image-size", "32"], "--image-size"),
        (["--resize", "32"], "--resize"),
        (["--from", "/nowhere"], "/nowhere"),
        (["--network", "vgg16", "--data", "synthetic", "--image-size", "16"], "vgg16"),
        (["--evaluate", "/nowhere"], "/nowhere"),
        (["--unknown"], "--unknown"),
        (["--draw", "x.svg", "/nowhere"], "/nowhere"),
        (["--draw", "x.svg"], "--draw"),
        (["stray"], "--draw"),
    ]:
        done = run(work / "new", *options)
        expect(done.returncode == 2, options, "ended with", done.returncode, done.stderr)
        for text in texts:
            expect(text in done.stderr + done.stdout, f"{options}: '{text}' is not in", done.stderr, done.stdout)
        expect(not (work / "new").exists(), options, "left a folder")
    done = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True)
    expect(done.returncode == 0 and "Examples:" in done.stdout, done.stdout)


with tempfile.TemporaryDirectory(prefix="intaglio-train-") as folder:
    globals()["check_" + sys.argv[1]](pathlib.Path(folder))
print("passed")
