# SPDX-License-Identifier: Apache-2.0
"""Ways to do the same work, each a process that is ready and waits for orders, so that all of them can take turns and a
slow moment of the machine hits all. An order is a line, and so is its answer; `step ..` is answered by seconds."""

import os
import subprocess
import sys
import time

SAMPLE = 2e-3  # seconds
NARROW = ("portable", "sse41", "avx2", "avx_vnni")  # instruction sets without AVX-512


class Ended(SystemExit):
    """A process that ended before it answered; whoever does not expect that ends with it."""


class Server:
    """A process that works when told to; made when it has said 'ready' and what it is."""

    def __init__(self, *command, env=None):
        self.process = subprocess.Popen(list(map(str, command)), text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env=env)
        self.version = " ".join(self.answer().split()[1:])

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Ended(f"ended early: {' '.join(self.process.args)}")
        return line

    def ask(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self.answer()

    def seconds(self, *order):
        """Of work that is done `order[-1]` times."""
        return float(self.ask(" ".join(map(str, ("step", *order)))))

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def best_of_turns(works, budget):
    """The least seconds of each work, a function that takes how often to run and returns seconds, with the seconds to
    rest behind it. They take turns for `budget` seconds each on average, three rounds at least; short work is repeated
    until it lasts SAMPLE. They rest since threads of some libraries go on spinning for a while and would slow the next
    one's work; short work also runs once untimed, since threads that wake up together may share a core at first."""
    counts, seconds = [], 0
    for work, rest in works:
        once = work(1)
        if once < 10 * SAMPLE:
            once = work(1)
        counts.append(max(1, int(SAMPLE / max(once, 1e-7))))
        seconds += rest + once * counts[-1] * (1 if once > 10 * SAMPLE else 2)
    best = [float("inf")] * len(works)
    for _ in range(min(200, max(3, int(budget * len(works) / seconds)))):
        for i, (work, rest) in enumerate(works):
            if best[i] < 10 * SAMPLE:
                work(counts[i])
            best[i] = min(best[i], work(counts[i]) / counts[i])
            time.sleep(rest)
    return best


def python_with(*modules):
    """A Python that has these modules, or None: Debian's has Debian's, another one may come first in the path."""
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-c", "import " + ", ".join(modules)],
                          stderr=subprocess.DEVNULL).returncode == 0:
            return python
    return None


def held_to(arch):
    """The environment in which PyTorch, oneDNN and OpenBLAS use no more than an instruction set."""
    narrow = {"ATEN_CPU_CAPABILITY": "avx2", "OPENBLAS_CORETYPE": "Haswell",
              "DNNL_MAX_CPU_ISA": "AVX2_VNNI" if arch == "avx_vnni" else "AVX2"}
    return {**os.environ, **(narrow if arch in NARROW else {})}
