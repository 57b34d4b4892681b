/**
 * The page's side of the worker: start it, give it tasks, stop it at any moment.
 */

// A worker made from a Blob is under the page's Content-Security-Policy on every host. One made
// from a file would be under that file's own, which hosts that ignore `_headers` do not send.
const script = JSON.stringify(new URL("./worker.js", import.meta.url).href);
const workerUrl = URL.createObjectURL(
  new Blob([`importScripts(${script})`], { type: "text/javascript" }),
);

let worker = null;
let workerAccelerator = null;

/**
 * Whether this browser offers WebGPU and an adapter for it.
 *
 * @returns {Promise<string | null>} What the adapter says of itself, or null without one.
 */
export async function webGpuName() {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) return null;
    const { vendor, architecture, description } = adapter.info ?? {};
    return description || [vendor, architecture].filter(Boolean).join(" ") || "GPU";
  } catch {
    return null; // a browser that has the interface but blocks it
  }
}

/**
 * Have the worker perform a task.
 *
 * @param {object} task As `perform` of tasks.js takes it.
 * @param {AbortSignal} signal Aborting stops the worker, also in the middle of a tile.
 * @param {(part: object) => void} onPart Called with each part.
 * @returns {Promise<object>} The result. Rejects with an AbortError when aborted.
 */
export async function perform(task, signal, onPart = () => {}) {
  const lock = await navigator.wakeLock?.request("screen").catch(() => null);
  try {
    return await run(task, signal, onPart);
  } finally {
    lock?.release(); // phones may sleep again
  }
}

function run(task, signal, onPart) {
  return new Promise((resolve, reject) => {
    const active = workerFor(task.accelerator);
    const fail = (error) => {
      stop(active);
      reject(error);
    };
    const cancel = () => fail(signal.reason);
    signal.addEventListener("abort", cancel);
    active.onmessage = ({ data: { part, result, error } }) => {
      if (part) return onPart(part);
      signal.removeEventListener("abort", cancel);
      if (error) fail(new Error(error));
      else resolve(result);
    };
    active.onerror = (event) => {
      event.preventDefault();
      fail(new Error(event.message || "The worker could not be loaded."));
    };
    if (signal.aborted) cancel();
    else active.postMessage(task);
  });
}

function workerFor(accelerator) {
  if (worker && workerAccelerator !== accelerator) stop(worker);
  worker ??= new Worker(workerUrl);
  workerAccelerator = accelerator;
  return worker;
}

function stop(stopped) {
  stopped.onmessage = null; // what it posted before it ended is of no task any more
  stopped.terminate();
  if (worker === stopped) worker = null;
}
