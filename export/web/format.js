/** Numbers for reading. */

/** E.g. "0.42 s", "12.3 s", "3 min 20 s". */
export function duration(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** E.g. "600 × 400". */
export function dimensions(width, height) {
  return `${width} × ${height}`;
}

/** E.g. "WebGPU" or "processor, 4 threads". */
export function deviceName(accelerator, threads) {
  if (accelerator === "webgpu") return "WebGPU";
  return threads > 1 ? `CPU, ${threads} threads` : "CPU";
}
