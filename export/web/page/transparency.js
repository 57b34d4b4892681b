/**
 * Transparency: what colour invisible pixels get, as a network that mixes neighbours would bleed
 * theirs into edges, and where alpha has nothing to upscale. As awsrn_keras/pictures/alpha.py does.
 */

/** Whether any pixel of an RGBA picture is not opaque. */
export function hasAlpha({ data }) {
  for (let i = 3; i < data.length; i += 4) {
    if (data[i] !== 255) return true;
  }
  return false;
}

/**
 * Replace the colours of invisible pixels by those around, as `fill_transparent`
 * does: each takes the mean of the visible ones in the smallest square
 * block, of a power of two, that has any.
 *
 * @param {ImageData} picture RGBA, changed in place.
 */
export function fillTransparent({ data, width, height }) {
  const colours = new Uint8Array(3 * width * height);
  const visible = new Uint8Array(width * height);
  for (let i = 0; i < visible.length; i++) {
    visible[i] = data[4 * i + 3] > 0;
    copyColour(data, 4 * i, colours, 3 * i);
  }
  fill({ colours, visible, width, height });
  for (let i = 0; i < visible.length; i++) {
    copyColour(colours, 3 * i, data, 4 * i);
  }
}

/**
 * Where alpha is equal within `radius` rows and columns, as `constant_around` tells.
 *
 * @param {ImageData} picture RGBA.
 * @returns {Int16Array} Alpha there, elsewhere -1, row by row.
 */
export function constantAlpha({ data, width, height }, radius) {
  const alpha = Int16Array.from({ length: width * height }, (_, i) => data[4 * i + 3]);
  for (let y = 0; y < height; y++) keepConstant(alpha, y * width, 1, width, radius);
  for (let x = 0; x < width; x++) keepConstant(alpha, x, width, height, radius);
  return alpha;
}

/** Put -1 for values that have another one within `radius` on their line, which has `length`. */
function keepConstant(values, first, step, length, radius) {
  const at = (i) => first + i * step;
  for (let begin = 0, end; begin < length; begin = end) {
    const value = values[at(begin)];
    for (end = begin + 1; end < length && values[at(end)] === value; end++);
    for (let i = begin; i < end; i++) {
      const atStart = begin > 0 && i < begin + radius;
      const atEnd = end < length && i >= end - radius;
      if (atStart || atEnd) values[at(i)] = -1;
    }
  }
}

function fill(level) {
  if (level.visible.every(Boolean) || !level.visible.some(Boolean)) return;
  const coarse = halved(level);
  fill(coarse);
  for (let y = 0, i = 0; y < level.height; y++) {
    for (let x = 0; x < level.width; x++, i++) {
      if (level.visible[i]) continue;
      const block = (y >> 1) * coarse.width + (x >> 1);
      copyColour(coarse.colours, 3 * block, level.colours, 3 * i);
    }
  }
}

/** Means of the visible colours over blocks of 2x2. */
function halved({ colours, visible, width, height }) {
  const coarse = { width: Math.ceil(width / 2), height: Math.ceil(height / 2) };
  const counts = new Uint8Array(coarse.width * coarse.height);
  const means = new Uint16Array(3 * counts.length); // sums at first
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      if (!visible[i]) continue;
      const block = (y >> 1) * coarse.width + (x >> 1);
      counts[block]++;
      for (let c = 0; c < 3; c++) means[3 * block + c] += colours[3 * i + c];
    }
  }
  for (let i = 0; i < means.length; i++) {
    const count = counts[Math.floor(i / 3)];
    means[i] = (means[i] + (count >> 1)) / Math.max(count, 1);
  }
  return { colours: means, visible: counts, ...coarse };
}

function copyColour(source, from, target, to) {
  target[to] = source[from];
  target[to + 1] = source[from + 1];
  target[to + 2] = source[from + 2];
}
