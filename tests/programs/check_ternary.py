# SPDX-License-Identifier: Apache-2.0
"""The program that converts and classifies, from outside.

    check_ternary.py WHAT PROGRAM SOURCE_ROOT

dial       convert a network, look inside, classify at every level; a cut file is a lower level
beside     8-8 and FP32 stand beside the levels of a dial, in the table and in the chart
codings    each coding's file is looked into and classifies; a size is kept or the lack is told
time       milliseconds choose codings by times of this machine, or it is told what can be had
refuse     files and options that can't be are refused with a reason and status 2
usage      --help of every verb
"""

import os
import pathlib
import subprocess
import sys
import tempfile


def run(program, *words, status=0):
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True)
    if done.returncode != status:
        sys.exit(f"{words}: status {done.returncode}, expected {status}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def expect(text, *words):
    for word in words:
        if word not in text:
            sys.exit(f"expected '{word}' in:\n{text}")


def shared(root, *path):
    """A file beside the source tree, or in the folder of INTAGLIO_DATA; skips the test without it."""
    for base in (root.parent / "shared", pathlib.Path(os.environ.get("INTAGLIO_DATA", "."))):
        found = base.joinpath(*path)
        if found.exists():
            return found
    print(f"skipped: {'/'.join(path)} is not there")
    sys.exit(77)


def dial(program, root, folder):
    model = shared(root, "models", "resnet20-cifar10.safetensors")
    data = shared(root, "data", "cifar10")
    out = folder / "dial.safetensors"
    text = run(program, "ternarize", model, "--network", "resnet20", "--size", "3.5x", "--levels", 3, "--noise", 20,
               "--threads", 1, "-o", out)
    expect(text, "layer3.2.conv2", "level 1", "against 8-8")
    text = run(program, "inspect", out)
    expect(text, "resnet20", "layer1.0.conv1", "checksum", "level 2", "in memory")
    text = run(program, "classify", out, "--data", f"cifar10:{data}", "--limit", 200, "--level", "all", "--threads", 1)
    expect(text, "200 images", "level 1", "level 2", "all")
    for line in text.splitlines():
        if line.startswith(("level ", "all")) and line.count("%") == 3 and float(line.split("%")[0].split()[-1]) < 80:
            sys.exit(f"too few images are right:\n{text}")
    whole = out.read_bytes()
    (folder / "cut.safetensors").write_bytes(whole[:-100])
    text = run(program, "inspect", folder / "cut.safetensors")
    expect(text, "level 2")
    if any(line.split()[:2] == ["3", "all"] for line in text.splitlines()):
        sys.exit(f"a level that is cut is still there:\n{text}")


def codings(program, root, folder):
    model = shared(root, "models", "resnet20-cifar10.safetensors")
    data = shared(root, "data", "cifar10")
    out = folder / "coded.safetensors"
    for coding in ("greedy --planes 4 --levels 3", "locked --planes 3 --block 32", "int4 --block 32", "8-8",
                   "feedback --error 12"):
        text = run(program, "ternarize", model, "--network", "resnet20", "--coding", *coding.split(), "--noise", 20,
                   "--threads", 1, "-o", out)
        expect(text, "layer3.2.conv2", "multiplications", "an image takes")
        text = run(program, "classify", out, "--data", f"cifar10:{data}", "--limit", 100, "--threads", 1)
        if float(text.split("all ")[1].split("%")[0]) < 75:
            sys.exit(f"{coding}: too few images are right:\n{text}")
        if coding.startswith("greedy"):
            chart = folder / "curve.svg"
            text = run(program, "classify", out, "--data", f"cifar10:{data}", "--limit", 100, "--threads", 1, "--level",
                       "all", "--confident", 0.5, "--chart", chart)
            expect(text, "confident", "of the images took the last level too")
            expect(chart.read_text(), "<svg", "Accuracy against size", "Accuracy against time")
    expect(run(program, "ternarize", model, "--network", "resnet20", "--coding", "8-8", "--size", 2, "-o", out,
               status=2), "leave out --size")


def beside(program, root, folder):
    model = shared(root, "models", "resnet20-cifar10.safetensors")
    data = shared(root, "data", "cifar10")
    small, dial, chart = folder / "8-8.safetensors", folder / "dial.safetensors", folder / "curve.svg"
    words = ["--network", "resnet20", "--noise", 20, "--threads", 1]
    run(program, "ternarize", model, *words, "--coding", "8-8", "-o", small)
    run(program, "ternarize", model, *words, "--levels", 2, "-o", dial)
    words = ["--data", f"cifar10:{data}", "--limit", 100, "--threads", 1]
    text = run(program, "classify", dial, *words, "--level", "all", "--beside", small, "--fp32", model, "--chart",
               chart)
    rows = {line.split("  ")[0]: line.split() for line in text.splitlines() if line.count("%") == 3}
    if list(rows) != ["FP32", "all", "level 1", "8-8"]:
        sys.exit(f"expected rows of FP32, both levels and 8-8:\n{text}")
    expect(text, "as FP32")
    if rows["FP32"][5] != "100.00" or rows["FP32"][7] != str(model.stat().st_size):
        sys.exit(f"FP32 disagrees with itself, or has the bytes of another file:\n{text}")
    drawing = chart.read_text()
    expect(drawing, "top-1, % of 100 images", "file, kB", "batches of 8, 1 thread", ">level 1</text>", "resnet20, 8-8",
           "FP32, ")
    if drawing.count("<circle") != 2 * (3 + 2):
        sys.exit("expected dots in two panels for both levels and 8-8, and in the legends of both files")
    expect(run(program, "classify", dial, *words, "--beside", model, status=2), "is it a model that was converted?")
    expect(run(program, "classify", dial, *words, "--fp32", small, status=2), "does not fit the network")
    expect(run(program, "classify", dial, *words, "--fp32", model, "--reference", model, status=2), "--reference")
    expect(run(program, "classify", dial, chart, "--beside", small, status=2), "go with --data")


def time(program, root, folder):
    model = shared(root, "models", "resnet20-cifar10.safetensors")
    out = folder / "timed.safetensors"
    words = ["ternarize", model, "--network", "resnet20", "--noise", 10, "--threads", 1, "-o", out]
    text = run(program, *words, "--ms", 1e4, "--levels", 2)
    expect(text, "microseconds", "timing codings", "10000.000 ms were asked for", "all products are in 8-8")
    expect(run(program, "inspect", out), "steps for 10000 ms")
    out.unlink()
    text = run(program, *words, "--ms", 1e-6, status=2)
    expect(text, "1e-06 ms an image can't be had", "with the quickest codings", "ask for more")
    for other in (["--size", 2], ["--memory-size", 2], ["--error", 5], ["--step", 0.7]):
        expect(run(program, *words, "--ms", 1, *other, status=2), "excludes", "--ms")
    if out.exists():
        sys.exit("a refused conversion wrote a file")


def refuse(program, root, folder):
    nothing = folder / "nothing.safetensors"
    nothing.write_bytes(b"not a model")
    expect(run(program, "inspect", nothing, status=2), "nothing.safetensors")
    expect(run(program, "inspect", folder / "missing", status=2), "missing")
    expect(run(program, "classify", nothing, status=2), "classify")
    expect(run(program, "ternarize", nothing, "--network", "resnet21", "-o", folder / "x", status=2), "resnet21",
           "resnet20")
    expect(run(program, "ternarize", nothing, "--network", "resnet20", "--size", "banana", "-o", folder / "x",
               status=2), "banana")
    expect(run(program, "ternarize", nothing, "--network", "resnet20", "-o", folder / "x", status=2),
           "nothing.safetensors")
    run(program, status=2)


def usage(program, root, folder):
    expect(run(program, "--help"), "ternarize", "classify", "inspect")
    expect(run(program, "ternarize", "--help"), "--size", "--levels", "resnet50-caffe")
    expect(run(program, "classify", "--help"), "--level", "cifar10:DIR")
    expect(run(program, "inspect", "--help"), "MODEL")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        tests = {"dial": dial, "codings": codings, "beside": beside, "time": time, "refuse": refuse, "usage": usage}
        tests[sys.argv[1]](sys.argv[2], pathlib.Path(sys.argv[3]), pathlib.Path(temporary))
    print("1 passed, 0 failed, 0 skipped")
