// A classic worker, because LiteRT.js loads its WebAssembly with importScripts.
const tasks = import("./tasks.js");
const missing = (error) => postMessage({ error: `The worker could not start: ${error.message}` });
onmessage = ({ data }) => tasks.then(({ perform }) => perform(data), missing);
