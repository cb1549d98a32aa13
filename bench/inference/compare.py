# SPDX-License-Identifier: Apache-2.0
"""Whole networks in integers, beside our own 8-8 and FP32 and oneDNN: `tools/bench inference [--quick]`.

Networks are converted without data (bench/inference/prepare.cpp), sizes are those of real files, accuracies those of
real images where they lie beside the source tree; they are kept for as long as the program is the same. Times are the
best of turns that ways take one after another, for batches of 1 and 8 on 1 and 2 threads
(bench/inference/timed_rows.cpp). oneDNN runs the products alone, layer by layer, each in its own fastest layout,
without anything between them. Writes build/bench/inference.json."""

import argparse
import json
import math
import os
import pathlib
import subprocess
import sys

KEYS = ("network", "level", "coding")


def run(program, verb, options, threads):
    words = [program, verb, "--threads", str(threads), "--out", options.out, "--models", options.models, "--data",
             options.data] + (["--quick"] if options.quick else [])
    for network in options.network or []:
        words += ["--network", network]
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_PROC_BIND="false")
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, env=env)
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


def prepared(options, threads):
    """Sizes and accuracies, network by network: those kept from before, where they are newer than the program."""
    known = run(options.program, "names", options, threads)
    rows = []
    for network in options.network or known:
        kept = pathlib.Path(options.out) / f"{network}{'-quick' if options.quick else ''}.json"
        if options.fresh or not kept.exists() or kept.stat().st_mtime < os.path.getmtime(options.program):
            one = argparse.Namespace(**{**vars(options), "network": [network]})
            kept.write_text(json.dumps(run(options.program, "prepare", one, threads), indent=1) + "\n")
        rows += json.loads(kept.read_text())
    return rows


def print_times(rows):
    print("network    coding         level batch threads   ms/image     8-8    FP32     peer")
    base = {(r["network"], r["batch"], r["threads"]): r["ms_per_image"] for r in rows if r["coding"] == "8-8"}
    for r in rows:
        own = base[(r["network"], r["batch"], r["threads"])] / r["ms_per_image"]
        peer = f"{r['peer_ms_per_image'] / r['ms_per_image']:7.2f}x" if r["peer_ms_per_image"] else "       -"
        print(f"{r['network']:10} {r['coding']:14} {r['level']:>5} {r['batch']:5} {r['threads']:7} "
              f"{r['ms_per_image']:10.3f} {own:6.2f}x {r['fp32_ms_per_image'] / r['ms_per_image']:6.2f}x {peer}"
              + (f"  the kernels of {r['timed_as']}" if r["timed_as"] else ""), flush=True)


def print_verdict(rows):
    """Says where another is faster."""
    eights = [r for r in rows if r["coding"] == "8-8"]
    for name, key in (("our FP32", "fp32_ms_per_image"), ("oneDNN's products", "peer_ms_per_image")):
        ratios = [r[key] / r["ms_per_image"] for r in eights if r[key]]
        if not ratios:
            print(f"{name}: not here")
            continue
        print(f"8-8 beside {name}: geometric mean {math.exp(sum(map(math.log, ratios)) / len(ratios)):.2f}x")
        for r in eights:
            if r[key] and r[key] < r["ms_per_image"]:
                print(f"  {name} faster: {r['network']}, batch {r['batch']}, threads {r['threads']}: "
                      f"{r['ms_per_image'] / r[key]:.2f}x")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="inference, as Meson built it")
    parser.add_argument("--quick", action="store_true", help="fewer images and turns: at most 6 minutes in all")
    parser.add_argument("--fresh", action="store_true", help="convert again what was converted by the same program")
    parser.add_argument("--network", action="append", help="this one only (may be repeated)")
    parser.add_argument("--threads", type=int, action="append", help="default: 1 and 2")
    parser.add_argument("--models", default="../shared/models", help="folder of trained weights")
    parser.add_argument("--data", default=os.environ.get("INTAGLIO_DATA", "../shared/data"), help="folder of images")
    parser.add_argument("--out", default="build/bench/inference", help="folder of the converted networks")
    parser.add_argument("--report", default="build/bench/inference.json")
    options = parser.parse_args()
    pathlib.Path(options.out).mkdir(parents=True, exist_ok=True)
    threads = options.threads or [1, 2]
    sizes = prepared(options, max(threads))
    print("Against 8-8: files with all that is in them, packed weights of one level, multiplications as the paper on")
    print("ternary residual networks counts. Networks without accuracy have random weights or no images here.")
    print_sizes(sizes)
    known = {tuple(r[k] for k in KEYS): r for r in sizes}
    rows = []
    print("\nMilliseconds for an image, best of turns; how many times slower are our 8-8, our FP32, the peer (more: we")
    print("are faster). Levels whose products all run on the same kernels are timed once.")
    for n in threads:
        timed = run(options.program, "time", options, n)
        print_times(timed)
        rows += [{**known[tuple(r[k] for k in KEYS)], **r} for r in timed]
    print_verdict(rows)
    report = pathlib.Path(options.report)
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"wrote {report}")


if __name__ == "__main__":
    main()
