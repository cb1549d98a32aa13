// SPDX-License-Identifier: Apache-2.0
//
// ONNX Runtime's answers and times, for compare.py: `node peer.js MODULES MODEL PLAIN THREADS` with the folder of npm's
// modules, an ONNX model (onnx_model.py), the images and logits that belong to it (plain_weights.hpp), and the size of
// its thread pool. All of its graph optimizations are on. Orders come on standard input, an answer is a line:
//
//   batch B    random images from now on, B at once
//   step N     the seconds that N runs took
//   compare    {"images", "same", "difference"}: the share of images with the same largest logit as ours, and the root
//              mean square of the difference of logits, as a share of that of ours

'use strict';
const fs = require('fs');
const path = require('path');
const readline = require('readline');

const [modules, model, plain, threads] = process.argv.slice(2);
const runtime = require(path.resolve(modules, 'onnxruntime-node'));
const version = require(path.resolve(modules, 'onnxruntime-node', 'package.json')).version;

/// A tensor of floats from a safetensors file.
function readFloats(file, name) {
  const data = fs.readFileSync(file);
  const header = Number(data.readBigUInt64LE(0));
  const at = JSON.parse(data.toString('utf8', 8, 8 + header))[name];
  const bytes = Uint8Array.from(data.subarray(8 + header + at.data_offsets[0], 8 + header + at.data_offsets[1]));
  return {shape: at.shape, values: new Float32Array(bytes.buffer)};
}

/// One image with channels first instead of last.
function channelsFirst(values, height, width, channels) {
  const turned = new Float32Array(values.length);
  for (let p = 0; p < height * width; ++p)
    for (let c = 0; c < channels; ++c) turned[c * height * width + p] = values[p * channels + c];
  return turned;
}

const largest = (list) => list.reduce((best, v, i) => (v > list[best] ? i : best), 0);

async function main() {
  const session = await runtime.InferenceSession.create(model, {
    intraOpNumThreads: Number(threads), interOpNumThreads: 1, executionMode: 'sequential',
    graphOptimizationLevel: 'all', logSeverityLevel: 3});
  const run = async (images) => (await session.run({images}))[session.outputNames[0]].data;
  const {shape: [count, height, width, channels], values} = readFloats(plain, 'images');
  const size = height * width * channels;
  let batch = null;

  async function compare() {
    const logits = readFloats(plain, 'logits').values;
    const classes = logits.length / count;
    let same = 0, square = 0, difference = 0;
    for (let i = 0; i < count; ++i) {
      const image = channelsFirst(values.subarray(i * size, (i + 1) * size), height, width, channels);
      const theirs = await run(new runtime.Tensor('float32', image, [1, channels, height, width]));
      const ours = logits.subarray(i * classes, (i + 1) * classes);
      same += largest(theirs) === largest(ours) ? 1 : 0;
      for (let k = 0; k < classes; ++k) {
        square += ours[k] ** 2;
        difference += (theirs[k] - ours[k]) ** 2;
      }
    }
    return JSON.stringify({images: count, same: same / count, difference: Math.sqrt(difference / square)});
  }

  console.log(`ready ONNX Runtime ${version}`);
  for await (const line of readline.createInterface({input: process.stdin})) {
    const [order, number] = line.split(' ');
    if (order === 'batch') {
      const images = Float32Array.from({length: Number(number) * size}, () => 4 * Math.random() - 2);
      batch = new runtime.Tensor('float32', images, [Number(number), channels, height, width]);
      console.log('{}');
    } else if (order === 'step') {
      const start = process.hrtime.bigint();
      for (let i = 0; i < Number(number); ++i) await run(batch);
      console.log(Number(process.hrtime.bigint() - start) / 1e9);
    } else if (order === 'compare') {
      console.log(await compare());
    } else {
      return;
    }
  }
}

main().catch((fault) => {
  console.error(`ONNX Runtime: ${fault.message}`);
  process.exit(1);
});
