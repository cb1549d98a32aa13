# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime as a peer, where npm's onnxruntime-node, node and python3-onnx are there: our own 8-8 network as an ONNX
model (onnx_model.py), run by peer.js. What is missing is said once, as a reason."""

import pathlib
import shutil
import subprocess

from server import Ended, Server, python_with  # bench/server.py

HERE = pathlib.Path(__file__).parent


class Peer:
    """Makes models and servers of them; `missing` says why it can't."""

    def __init__(self, modules, folder):
        self.modules, self.folder = modules, pathlib.Path(folder)
        self.python = python_with("onnx", "numpy")
        self.answers = {}  # of each network, beside ours
        self.missing = ""
        if not shutil.which("node"):
            self.missing = "node is not here (Debian: nodejs, npm)"
        elif not (pathlib.Path(modules) / "onnxruntime-node").exists():
            self.missing = f"no onnxruntime-node in {modules} (npm install --ignore-scripts onnxruntime-node)"
        elif not self.python:
            self.missing = "Python's onnx is not here (Debian: python3-onnx)"

    def serve(self, network, threads):
        """A server of the network's 8-8, or the reason why there is none."""
        if self.missing:
            return None, self.missing
        model, plain, onnx = (self.folder / f"{network}-{end}" for end in ("8-8.safetensors", "plain.safetensors",
                                                                          "8-8.onnx"))
        if not onnx.exists() or onnx.stat().st_mtime < plain.stat().st_mtime:
            made = subprocess.run([self.python, HERE / "onnx_model.py", model, plain, onnx], stderr=subprocess.PIPE,
                                  text=True)
            if made.returncode != 0:
                return None, made.stderr.strip().splitlines()[-1]
        try:
            return Server("node", HERE / "peer.js", self.modules, onnx, plain, threads), ""
        except Ended as fault:  # a module or a CPU that it does not run on; it says which
            return None, str(fault)
