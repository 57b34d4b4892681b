/** Numbers for reading. */

/** E.g. "0.42 s", "12.3 s", "3 min 20 s", "1 h 5 min". */
export function duration(milliseconds) {
  const seconds = milliseconds / 1000;
  if (seconds < 59.95) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const [whole, minutes] = [Math.round(seconds), Math.round(seconds / 60)];
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
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
