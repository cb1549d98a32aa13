# SPDX-License-Identifier: Apache-2.0
"""Whole networks in integers, beside our own 8-8 and FP32, oneDNN and ONNX Runtime: `tools/bench inference [--quick]`.

Networks are converted without data (bench/inference/prepare.cpp), sizes are those of real files, accuracies those of
real images where they lie beside the source tree; they are kept for as long as the program is the same. Times are the
best of turns that ways take one after another, for batches of 1 and 8 on 1 and 2 threads. oneDNN runs the products
alone, layer by layer, each in its own fastest layout, without anything between them
(bench/inference/server.cpp). ONNX Runtime runs the whole network in our own 8-8 codes
(bench/inference/onnx_model.py), with all of its optimizations and as many threads; how often both answer the same is
measured, too. Without it the rows say so. `--arch avx2` holds oneDNN to that instruction set, as `tools/bench` builds
ours; ONNX Runtime can't be held and is left out. Writes build/bench/inference.json, or build/bench-ARCH/."""

import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import textwrap
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
from onnx_peer import Peer
from server import NARROW, Server, best_of_turns, held_to  # bench/server.py

KEYS = ("network", "level", "coding")
REST, REST_OF_ONNX = 3e-3, 50e-3  # seconds behind a sample; ONNX Runtime's second thread spins for 30 ms


def command(options, verb, threads, network=None):
    words = [options.program, verb, "--threads", str(threads), "--out", options.out, "--models", options.models,
             "--data", options.data]
    return words + (["--quick"] if options.quick else []) + (["--network", network] if network else [])


def run(options, verb, threads=1, network=None):
    """What a verb of the program prints."""
    done = subprocess.run(command(options, verb, threads, network), stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{verb} ended with {done.returncode}")
    return json.loads(done.stdout)


def percent(share):
    return "      -" if share is None else f"{100 * share:7.2f}"


def print_sizes(rows):
    print("network    coding         level  planes   bits    file  memory  multipl.  right %  FP32 %  same %")
    for r in rows:
        print(f"{r['network']:10} {r['coding']:14} {r['level']:>5} {r['planes']:7.2f} {r['bits_per_weight']:6.2f} "
              f"{r['size_vs_8_8']:6.2f}x {r['memory_vs_8_8']:6.2f}x {r['multiplications_vs_8_8']:8.1f}x "
              f"{percent(r['accuracy'])} {percent(r['fp32_accuracy'])} {percent(r['agreement'])}", flush=True)


def prepared(options, networks, threads):
    """Sizes and accuracies, network by network: those kept from before, where they are newer than the program."""
    rows = []
    for network in networks:
        kept = pathlib.Path(options.out) / f"{network}.json"
        if options.fresh or not kept.exists() or kept.stat().st_mtime < os.path.getmtime(options.program):
            kept.write_text(json.dumps(run(options, "prepare", threads, network), indent=1) + "\n")
        rows += json.loads(kept.read_text())
    return rows


def timed(options, onnx, network, threads):
    """The rows of one network on so many threads, for each batch."""
    ours = Server(*command(options, "serve", threads, network),
                  env=dict(held_to(options.arch), OMP_NUM_THREADS=str(threads), OMP_PROC_BIND="false"))
    if options.arch and ours.version != options.arch:
        sys.exit(f"{options.program} is built for {ours.version}, not {options.arch}; run tools/bench inference --arch")
    peer, missing = onnx.serve(network, threads)
    if peer and network not in onnx.answers:
        onnx.answers[network] = json.loads(peer.ask("compare"))
    answers = onnx.answers[network] if peer else {}
    for batch in (1, 8):
        made = json.loads(ours.ask(f"batch {batch}"))
        works = [(lambda count, w=w: ours.seconds(w, count), REST) for w in range(made["works"])]
        if peer:
            peer.ask(f"batch {batch}")
            works.append((peer.seconds, REST if threads == 1 else REST_OF_ONNX))
        ms = [1e3 * s / batch for s in best_of_turns(works, 0.15 if options.quick else 1)]
        for row in made["rows"]:
            row["ms_per_image"] = ms[row.pop("work")]
            row["fp32_ms_per_image"] = ms[made["fp32"]]
            row["peer"] = made["peer"]["name"] if made["peer"] else ""
            row["peer_ms_per_image"] = ms[made["peer"]["work"]] if made["peer"] else None
            row["onnxruntime"] = peer.version if peer else ""
            row["onnxruntime_ms_per_image"] = ms[-1] if peer else None
            row["onnxruntime_missing"] = missing
            row["onnxruntime_same_answers"] = answers.get("same")
            row["onnxruntime_images"] = answers.get("images")
            row["onnxruntime_difference"] = answers.get("difference")
            yield row
    ours.end()
    if peer:
        peer.end()


def print_times(rows):
    base = {(r["network"], r["batch"], r["threads"]): r["ms_per_image"] for r in rows if r["coding"] == "8-8"}
    for r in rows:
        slower = [base[(r["network"], r["batch"], r["threads"])], r["fp32_ms_per_image"], r["peer_ms_per_image"],
                  r["onnxruntime_ms_per_image"]]
        print(f"{r['network']:10} {r['coding']:14} {r['level']:>5} {r['batch']:5} {r['threads']:7} "
              f"{r['ms_per_image']:10.3f} "
              + " ".join(f"{ms / r['ms_per_image']:6.2f}x" if ms else "      -" for ms in slower)
              + (f"  the kernels of {r['timed_as']}" if r["timed_as"] else ""), flush=True)


def print_verdict(rows):
    """Says where another is faster."""
    eights = [r for r in rows if r["coding"] == "8-8"]
    for name, key in (("our FP32", "fp32_ms_per_image"), ("oneDNN's products", "peer_ms_per_image"),
                      ("ONNX Runtime", "onnxruntime_ms_per_image")):
        ratios = [r[key] / r["ms_per_image"] for r in eights if r[key]]
        if not ratios:
            print(f"{name}: not here")
            continue
        print(f"8-8 beside {name}: geometric mean {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}x")
        for r in eights:
            if r[key] and r[key] < r["ms_per_image"]:
                print(f"  {name} faster: {r['network']}, batch {r['batch']}, threads {r['threads']}: "
                      f"{r['ms_per_image'] / r[key]:.2f}x")


def print_answers(rows):
    """What ONNX Runtime is, and whether it computes the same."""
    for r in {r["network"]: r for r in rows}.values():
        if r["onnxruntime"]:
            print(f"{r['onnxruntime']}, {r['network']}: answers {100 * r['onnxruntime_same_answers']:.1f} % of "
                  f"{r['onnxruntime_images']} images as our 8-8, logits differ by "
                  f"{100 * r['onnxruntime_difference']:.2f} % (root mean square)")
        else:
            print(f"{r['network']} without ONNX Runtime: {r['onnxruntime_missing']}")


def main():
    started = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="inference, as Meson built it")
    parser.add_argument("--quick", action="store_true", help="fewer networks, codings, images and turns: 6 minutes")
    parser.add_argument("--fresh", action="store_true", help="convert again what was converted by the same program")
    parser.add_argument("--network", action="append", help="this one only (may be repeated)")
    parser.add_argument("--threads", type=int, action="append", help="default: 1 and 2")
    parser.add_argument("--models", default="../shared/models", help="folder of trained weights")
    parser.add_argument("--data", default=os.environ.get("INTAGLIO_DATA", "../shared/data"), help="folder of images")
    parser.add_argument("--arch", default="", help="what `program` was built for: oneDNN uses no more")
    parser.add_argument("--onnxruntime", help="folder with npm's onnxruntime-node; default: onnxruntime/node_modules "
                                              "in build/bench")
    parser.add_argument("--out", help="folder of the converted networks; default: inference in build/bench[-ARCH]")
    parser.add_argument("--report", help="default: build/bench/inference.json, or build/bench-ARCH/inference.json")
    options = parser.parse_args()
    folder = "build/bench" + (f"-{options.arch}" if options.arch else "")
    options.report = options.report or f"{folder}/inference.json"
    options.out = options.out or f"{folder}/inference"
    options.onnxruntime = options.onnxruntime or f"{folder}/onnxruntime/node_modules"
    if options.quick:  # other levels, in files of the same names
        options.out += "/quick"
    pathlib.Path(options.out).mkdir(parents=True, exist_ok=True)
    threads = options.threads or [1, 2]
    known = run(options, "names")
    networks = options.network or known["networks"]
    if known["left_out"]:
        print(textwrap.fill(f"--quick leaves out {'; '.join(known['left_out'])}.", 120), flush=True)
    sizes = prepared(options, networks, max(threads))
    print("Against 8-8: files with all that is in them, packed weights of one level, multiplications as the paper on")
    print("ternary residual networks counts. Networks without accuracy have random weights or no images here.")
    print_sizes(sizes)
    known_sizes = {tuple(r[k] for k in KEYS): r for r in sizes}
    onnx = Peer(options.onnxruntime, options.out)
    if options.arch in NARROW:
        onnx.missing = f"it can't be held to {options.arch}"
    rows = []
    print("\nMilliseconds for an image, best of turns; how many times slower are our 8-8, our FP32, oneDNN's products,")
    print("ONNX Runtime's 8-8 (more: we are faster). Levels whose products all run on the same kernels are timed once.")
    print("network    coding         level batch threads   ms/image     8-8    FP32  oneDNN    ONNX", flush=True)
    for n in threads:
        for network in networks:
            new = [{**known_sizes[tuple(r[k] for k in KEYS)], **r} for r in timed(options, onnx, network, n)]
            print_times(new)
            rows += new
    print_answers(rows)
    print_verdict(rows)
    report = pathlib.Path(options.report)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"wrote {report}, {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
