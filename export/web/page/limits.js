/**
 * The largest result that the browser and the device's memory allow.
 */

const LONGEST_SIDE = 32767; // of a canvas, in the strictest of the large browsers
const MOST_PIXELS = 2 ** 28; // of a canvas in Chromium
const PIXEL_BYTES = 12; // the result, its copy while PNG is written, the picture it comes from
const ASSUMED_MEMORY = 4; // GiB, where the browser does not tell

/** A result of that size cannot be made; the message says what can be. */
export class TooLargeError extends Error {}

/** Pixels that a result may have: as many as fit in a quarter of the memory. */
export function mostPixels() {
  const memory = (navigator.deviceMemory ?? ASSUMED_MEMORY) * 2 ** 30;
  return Math.min(MOST_PIXELS, Math.floor(memory / 4 / PIXEL_BYTES));
}

/**
 * Check that a picture can be made `scale` times as large here.
 *
 * @throws {TooLargeError}
 */
export function checkSize({ width, height }, scale) {
  const pixels = width * height * scale ** 2;
  if (pixels <= mostPixels() && Math.max(width, height) * scale <= LONGEST_SIDE) return;
  const most = Math.floor(mostPixels() / scale ** 2 / 1e5) / 10;
  const side = Math.floor(LONGEST_SIDE / scale);
  throw new TooLargeError(
    `${width} × ${height} pixels are too many for ×${scale} on this device: ` +
      `it can take pictures of up to ${most} megapixels and ${side} pixels a side. ` +
      "Choose a smaller scale or crop the picture.",
  );
}

/**
 * Give a canvas the size of the result.
 *
 * @throws {TooLargeError} The browser cannot hold it; it then draws nothing without an error.
 */
export function resizeCanvas(canvas, width, height) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context?.fillRect(width - 1, height - 1, 1, 1);
  const drawn = context?.getImageData(width - 1, height - 1, 1, 1).data[3];
  context?.clearRect(0, 0, width, height);
  if (drawn) return context;
  canvas.width = canvas.height = 0;
  throw new TooLargeError(
    `This browser has no memory for a result of ${width} × ${height} pixels. ` +
      "Choose a smaller scale or crop the picture.",
  );
}
