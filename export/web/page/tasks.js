/**
 * What the worker does: upscale a picture or time a model. One task at a time.
 *
 * Each task posts any number of {part} messages, then {result} or {error}.
 */

import { networkFor } from "./runtime.js";
import { cutAxis, readWindow, writeBlock } from "./tiles.js";
import { constantAlpha, fillTransparent, hasAlpha } from "./transparency.js";

const COLOURS = [0, 1, 2];
const ALPHA = [3, 3, 3];

/** Perform the task of a message from engine.js. */
export async function perform({ task, model, accelerator, ...options }) {
  try {
    const network = await networkFor(model, accelerator);
    postMessage({ result: await { upscale, benchmark }[task](network, model, options) });
  } catch (error) {
    postMessage({ error: error.message ?? String(error) });
  }
}

/** Upscale a bitmap; each part is a finished block of the result, RGBA, with its place. */
async function upscale(network, { scale, tile, receptive_field: margin }, { bitmap }) {
  const began = performance.now();
  const picture = pixelsOf(bitmap);
  const layers = hasAlpha(picture) ? [COLOURS, ALPHA] : [COLOURS];
  const constant = layers.length > 1 ? constantAlpha(picture, margin) : null;
  if (constant) fillTransparent(picture);
  const rows = cutAxis(picture.height, tile, margin);
  const columns = cutAxis(picture.width, tile, margin);
  const total = rows.length * columns.length;
  let done = 0;
  for (const row of rows) {
    for (const column of columns) {
      const block = new ImageData(
        scale * (column.end - column.begin),
        scale * (row.end - row.begin),
      );
      block.data.fill(255);
      for (const channels of layers) {
        if (channels === ALPHA && isConstant(constant, row, column, picture.width)) continue;
        readWindow(picture, row.start, column.start, tile, channels, network.input);
        const window = {
          values: await network.run(),
          size: scale * tile,
          left: scale * (column.begin - column.start),
          top: scale * (row.begin - row.start),
        };
        writeBlock(window, block, channels === ALPHA);
      }
      const origin = row.begin * picture.width + column.begin;
      if (constant) keepAlpha(block, constant.subarray(origin), picture.width, scale);
      const { data, width } = block;
      const part = { data, width, x: scale * column.begin, y: scale * row.begin };
      postMessage({ part: { ...part, done: ++done, total } }, [data.buffer]);
    }
  }
  return { milliseconds: performance.now() - began, threads: network.threads };
}

/** Whether `alpha` is nowhere -1 within the inner part of a window. */
function isConstant(alpha, row, column, pictureWidth) {
  for (let y = row.begin; y < row.end; y++) {
    const values = alpha.subarray(y * pictureWidth + column.begin, y * pictureWidth + column.end);
    if (values.includes(-1)) return false;
  }
  return true;
}

/** Give a block the alpha of the picture where that is not -1; `alpha` begins at its corner. */
function keepAlpha({ data, width, height }, alpha, pictureWidth, scale) {
  for (let y = 0, i = 3; y < height; y++) {
    for (let x = 0; x < width; x++, i += 4) {
      const value = alpha[Math.floor(y / scale) * pictureWidth + Math.floor(x / scale)];
      if (value >= 0) data[i] = value;
    }
  }
}

/** Time single tiles for about `seconds`, at least three and at most fifty. */
async function benchmark(network, { tile }, { seconds }) {
  network.input.forEach((_, i, values) => (values[i] = (i * 31) % 256));
  await network.run(); // the first one also compiles and allocates
  const times = [];
  const end = performance.now() + 1000 * seconds;
  while (times.length < 3 || (performance.now() < end && times.length < 50)) {
    const began = performance.now();
    await network.run();
    times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)];
  const slow = times[Math.ceil(0.95 * times.length) - 1];
  return { median, slow, runs: times.length, pixels: tile * tile, threads: network.threads };
}

function pixelsOf(bitmap) {
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
