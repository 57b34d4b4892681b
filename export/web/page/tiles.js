/**
 * Windows without seams, as awsrn_keras/upscaling/tiling.py cuts them, but all of the model's fixed size.
 */

/**
 * Cut an axis into windows of `size` pixels whose inner parts cover it.
 *
 * A window reads `margin` more on either side than it gives. At the ends of the axis windows
 * are shifted inwards, so that the network's own padding falls where it would without tiles.
 *
 * @returns {{start: number, begin: number, end: number}[]} Windows that read from `start` and
 *   give the pixels from `begin` to `end`.
 */
export function cutAxis(length, size, margin) {
  const step = size - 2 * margin;
  const count = Math.max(1, Math.ceil((length - 2 * margin) / step));
  return Array.from({ length: count }, (_, i) => ({
    start: Math.max(0, Math.min(i * step, length - size)),
    begin: i === 0 ? 0 : i * step + margin,
    end: i === count - 1 ? length : (i + 1) * step + margin,
  }));
}

/**
 * Copy a window of a picture; where it reaches beyond the right or lower border, mirrored.
 *
 * @param {{data: Uint8ClampedArray, width: number, height: number}} picture RGBA.
 * @param {number[]} channels Three of R, G, B, A (0 to 3): [0, 1, 2] or, for alpha, [3, 3, 3].
 * @param {Float32Array | Uint8Array} values Receives `size` x `size` x 3 numbers.
 */
export function readWindow({ data, width, height }, top, left, size, channels, values) {
  const columns = Array.from({ length: size }, (_, x) => 4 * mirrored(left + x, width));
  let at = 0;
  for (let y = top; y < top + size; y++) {
    const row = 4 * width * mirrored(y, height);
    for (const column of columns) {
      for (const channel of channels) values[at++] = data[row + column + channel];
    }
  }
}

/**
 * Write the part of an upscaled window that counts into a block of the result.
 *
 * @param {{size: number, left: number, top: number, values: Float32Array | Uint8Array}} window
 *   `size` x `size` x 3, and the corner of the part.
 * @param {ImageData} block RGBA.
 * @param {boolean} alpha Whether the mean over the channels is the block's alpha; otherwise the
 *   values are its colours, and alpha stays.
 */
export function writeBlock({ size, left, top, values }, block, alpha) {
  for (let y = 0; y < block.height; y++) {
    let from = 3 * ((top + y) * size + left);
    let to = 4 * y * block.width;
    for (let x = 0; x < block.width; x++, from += 3, to += 4) {
      const [r, g, b] = [values[from], values[from + 1], values[from + 2]];
      if (alpha) {
        block.data[to + 3] = (r + g + b) / 3;
      } else {
        block.data[to] = r; // clamped and rounded by its type
        block.data[to + 1] = g;
        block.data[to + 2] = b;
      }
    }
  }
}

/** The position that mirroring at both ends, as often as needed, brings `i` to. */
function mirrored(i, length) {
  const turn = i % (2 * length);
  return turn < length ? turn : 2 * length - 1 - turn;
}
