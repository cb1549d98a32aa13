# SPDX-License-Identifier: Apache-2.0
"""Images per second of whole training steps, beside PyTorch: `tools/bench training [--quick]`.

Each way to train is a process that is ready and waits (bench/training/main.cpp, bench/training/peer.py); they take
turns step by step, so that a slow moment of the machine hits all. Counted is everything but the data: forward, loss,
backward, update, in DFP16 with quantization and packing. Medians of the turns count. PyTorch is taken in the faster
of its default and its channels-last layout, FP32 and, where the CPU has bf16 instructions, bf16 autocast; of two
layouts one leaves after the second turn if its best is slower than the other's by a quarter. `--arch avx2` holds
PyTorch to AVX2, as `tools/bench` builds ours. Without PyTorch the rows say so. Writes build/bench/training.json."""

import argparse
import concurrent.futures
import json
import math
import os
import pathlib
import statistics
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from server import NARROW, Server, held_to, python_with  # bench/server.py

NETWORKS = {"resnet50": 8, "googlenet": 8, "vgg16": 8, "alexnet": 16, "cifar-resnet20": 128}


class Trainer(Server):
    """A way to train; remembers the seconds of its steps. `first`: of the last one before it was ready."""

    def __init__(self, *command, env=None):
        super().__init__(*command, env=env)
        *version, first = self.version.split()
        self.version, self.first, self.times = " ".join(version), float(first), []

    def step(self, count):
        self.times.append(self.seconds(count) / count)


def has_bf16(arch):
    with open("/proc/cpuinfo") as lines:
        flags = next((line for line in lines if line.startswith("flags")), "").split()
    return arch not in NARROW and ("avx512_bf16" in flags or "amx_bf16" in flags)


def started(commands, threads):
    """Trainers by name, made side by side, since getting ready is not measured."""
    with concurrent.futures.ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // threads)) as pool:
        return dict(zip(commands, pool.map(lambda c: Trainer(*c[0], env=c[1]), commands.values())))


def drop_slower(trainers, names):
    """Ends those that are slower than the fastest of `names` by a quarter."""
    best = min(min(trainers[name].times) for name in names)
    for name in names:
        if min(trainers[name].times) > 1.25 * best:
            trainers.pop(name).end()


def measure(options, python, network, batch, threads):
    """The rows of one network and number of threads."""
    turns, seconds = (3, 0.3) if options.quick else (7, 1.0)
    commands = {p: ((options.program, "--serve", "--network", network, "--batch", batch, "--threads", threads,
                     "--precision", p), None) for p in ("dfp16", "fp32")}
    formats = (["fp32"] + (["bf16"] if has_bf16(options.arch) else [])) if python else []
    for way in [f + layout for f in formats for layout in ("", "-channels-last")]:
        commands["peer " + way] = ((python, HERE / "peer.py", network, batch, threads, way), held_to(options.arch))
    all_of_them = started(commands, threads)
    for turn in range(turns):
        for trainer in all_of_them.values():
            trainer.step(max(1, round(seconds / trainer.first)))
        if turn == 1:
            for f in formats:
                drop_slower(all_of_them, [name for name in all_of_them if name.startswith("peer " + f)])
    ours = {p: all_of_them[p] for p in ("dfp16", "fp32")}
    peers = {name.removeprefix("peer "): t for name, t in all_of_them.items() if name.startswith("peer ")}

    speed = {name: batch / statistics.median(t.times) for name, t in all_of_them.items()}
    reports = {p: json.loads(t.ask("profile 2")) for p, t in ours.items()}
    built_for = reports["dfp16"]["arch"]
    if options.arch and built_for != options.arch:
        sys.exit(f"{options.program} is built for {built_for}, not {options.arch}; run tools/bench training --arch")
    fastest = max((w for w in peers if w.startswith("fp32")), key=lambda w: speed["peer " + w], default=None)
    bf16 = max((speed["peer " + w] for w in peers if w.startswith("bf16")), default=0)
    memory = float(peers[fastest].ask("memory")) if fastest else 0
    rows = []
    for precision, report in reports.items():
        peer_speed = speed["peer " + fastest] if fastest else 0
        rows.append({"network": network, "batch": batch, "threads": threads, "arch": report["arch"],
                     "precision": precision, "images_per_second": speed[precision],
                     "peer": f"PyTorch {peers[fastest].version} {fastest}" if fastest else "",
                     "peer_images_per_second": peer_speed, "ratio": speed[precision] / peer_speed if fastest else 0,
                     "bf16_images_per_second": bf16, "products_share": report["products_share"],
                     "peak_memory_mib": report["peak_memory_mib"], "peer_peak_memory_mib": memory})
    for trainer in all_of_them.values():
        trainer.end()
    return rows


def line(row):
    peer = f"{row['peer_images_per_second']:9.2f} {row['ratio']:5.2f} x" if row["peer"] else "   (no PyTorch)"
    bf16 = f"{row['bf16_images_per_second']:8.2f}" if row["bf16_images_per_second"] else "       -"
    memory = f"{row['peak_memory_mib']:7.0f} / {row['peer_peak_memory_mib']:.0f}" if row["peer"] else \
        f"{row['peak_memory_mib']:7.0f}"
    return (f"{row['network']:15} {row['batch']:5} {row['threads']:7}  {row['precision']:6} "
            f"{row['images_per_second']:9.2f} {peer} {bf16}  {100 * row['products_share']:5.0f} % {memory}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="training_steps, as Meson built it")
    parser.add_argument("--quick", action="store_true", help="fewer turns: at most 6 minutes in all")
    parser.add_argument("--network", action="append", choices=NETWORKS, help="this one only (may be repeated)")
    parser.add_argument("--threads", type=int, action="append", help="default: 1 and 2")
    parser.add_argument("--arch", default="", help="what `program` was built for: PyTorch uses no more")
    parser.add_argument("--report", default="build/bench/training.json")
    options = parser.parse_args()
    python = python_with("torch", "torchvision")
    if not python:
        print("PyTorch is not here (Debian: python3-torch, python3-torchvision): our own figures only.")
    print("Images per second of whole training steps; the peer's FP32 in its faster layout; memory in MiB, ours / its.")
    print("network         batch threads  format      ours      peer   ratio  its bf16  products   memory", flush=True)
    rows = []
    for threads in options.threads or [1, 2]:
        for network in options.network or NETWORKS:
            for row in measure(options, python, network, NETWORKS[network], threads):
                rows.append(row)
                print(line(row), flush=True)
    for precision in ("dfp16", "fp32"):
        for threads in options.threads or [1, 2]:
            ratios = [r["ratio"] for r in rows
                      if r["precision"] == precision and r["threads"] == threads and r["ratio"]]
            if ratios:
                mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
                print(f"geometric mean of {precision}, threads {threads}: {mean:.2f} x PyTorch FP32")
    pathlib.Path(options.report).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(options.report).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
