/**
 * LiteRT.js inside the worker: the build that suits the browser, and compiled networks.
 */

import {
  getWebGpuDevice,
  loadAndCompile,
  loadLiteRt,
  supportsFeature,
  Tensor,
} from "./litert/index.js";

const FOLDER = new URL("./litert/wasm/", import.meta.url).href;
const TOLERANCE = 4; // grey levels: a sound driver is off by 1, a broken one by dozens

let loaded;
let latest = null; // {file, network} of the model that was asked for last

/**
 * A model compiled for an accelerator, ready to run.
 *
 * A worker runs one accelerator only, as each needs its own build of LiteRT.js.
 *
 * @param {object} model An entry of models.json.
 * @param {"webgpu" | "wasm"} accelerator
 * @throws {Error} It cannot be run there, or (WebGPU) the results are wrong.
 */
export async function networkFor(model, accelerator) {
  loaded ??= load(accelerator);
  const threads = await loaded;
  if (latest?.file !== model.file) {
    latest?.network.compiled.delete();
    latest = null;
    const network = new Network(await compile(model, accelerator), model.tile, threads);
    if (accelerator === "webgpu") await check(network, model);
    latest = { file: model.file, network };
  }
  return latest.network;
}

/** A compiled model with one input tensor of `tile` x `tile` x 3. */
class Network {
  constructor(compiled, tile, threads) {
    const { dtype } = compiled.getInputDetails()[0];
    this.compiled = compiled;
    this.shape = [1, tile, tile, 3];
    this.input = new { float32: Float32Array, uint8: Uint8Array }[dtype](3 * tile * tile);
    this.threads = threads;
  }

  /** Run on `input`, RGB 0..255; the result is scale times as high and wide. */
  async run() {
    const input = new Tensor(this.input, this.shape);
    try {
      const [output] = await this.compiled.run(input);
      const values = await output.data();
      output.delete();
      return values;
    } finally {
      input.delete();
    }
  }
}

/** Load LiteRT.js; the number of processor threads that it computes with. */
async function load(accelerator) {
  const simd = await supportsFeature("relaxedSimd");
  const options = {
    jspi: accelerator === "webgpu" && (await supportsFeature("jspi")),
    // Threads share memory, which browsers allow under COOP and COEP headers only.
    threads: accelerator === "wasm" && simd && self.crossOriginIsolated,
  };
  try {
    self.Module = moduleOptions();
    const runtime = await loadLiteRt(FOLDER, options);
    if (accelerator === "webgpu") watch(getWebGpuDevice());
    return options.threads ? runtime.liteRtWasm.getThreadCount() : 1;
  } catch (error) {
    if (!options.threads) throw error;
    self.Module = moduleOptions(); // some phones have no room for shared memory
    await loadLiteRt(FOLDER);
    return 1;
  }
}

/** What Emscripten has to know inside a worker, where it cannot find out by itself. */
function moduleOptions() {
  return {
    locateFile: (name) => FOLDER + name,
    mainScriptUrlOrBlob: `${FOLDER}litert_wasm_threaded_internal.js`,
    print: () => {},
    printErr: (line) => /^(INFO|WARNING|VERBOSE)/.test(line) || console.error(line),
  };
}

async function compile(model, accelerator) {
  if (accelerator === "webgpu" && !model.webgpu) {
    throw new Error("8-bit models run on the CPU only: choose it, or automatic.");
  }
  const response = await fetch(new URL(model.file, import.meta.url));
  if (!response.ok) throw new Error(`${model.file} is missing on the server.`);
  const bytes = new Uint8Array(await response.arrayBuffer());
  // Half-precision arithmetic would be faster on some phones, but off by several grey levels.
  const options = { accelerator, gpuOptions: { precision: "fp32" } };
  const compiled = await loadAndCompile(bytes, options);
  // Without JSPI LiteRT.js goes over to WASM by itself where it must.
  const elsewhere = compiled.options.accelerator !== accelerator;
  if (accelerator === "webgpu" && (elsewhere || !compiled.isFullyAccelerated)) {
    compiled.delete();
    throw new Error("This browser's WebGPU cannot run the whole model.");
  }
  return compiled;
}

/**
 * Compare the second run with what LiteRT computed when the page was built.
 *
 * Some drivers give wrong pixels from the second run on (google-ai-edge/LiteRT issue 8065).
 */
async function check(network, { tile, scale, probe }) {
  network.input.forEach((_, i, values) => (values[i] = probeValue(i, tile)));
  await network.run();
  const values = await network.run();
  const side = scale * tile;
  const step = side / probe.length;
  for (const [row, expected] of probe.entries()) {
    const y = Math.floor((row + 0.5) * step);
    for (const [column, pixel] of expected.entries()) {
      const at = 3 * (y * side + Math.floor((column + 0.5) * step));
      if (pixel.some((value, c) => !(Math.abs(values[at + c] - value) <= TOLERANCE))) {
        throw new Error("This graphics processor computes the model wrongly.");
      }
    }
  }
}

/** The picture that `probe_picture` of export/web/models.py makes. */
function probeValue(i, tile) {
  const [channel, x, y] = [i % 3, Math.floor(i / 3) % tile, Math.floor(i / 3 / tile)];
  return (7 * x + 3 * y + ((x * y) >> 3) + 40 * channel) % 256;
}

function watch(device) {
  if (!device) throw new Error("This browser offers no WebGPU.");
  device.lost.then(({ message }) => {
    postMessage({ error: `The graphics processor stopped. ${message}`.trim() });
  });
}
