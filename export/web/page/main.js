/** Starts the page. */

import { BenchmarkTab } from "./benchmark_tab.js";
import { webGpuName } from "./engine.js";
import { loadManifest } from "./models.js";
import { startTabs } from "./tabs.js";
import { UpscaleTab } from "./upscale_tab.js";

startTabs(document.querySelector("[role=tablist]"));
try {
  const [manifest, gpu] = await Promise.all([loadManifest(), webGpuName()]);
  new UpscaleTab(manifest, gpu !== null);
  new BenchmarkTab(manifest, gpu);
} catch (error) {
  const message = document.getElementById("message");
  message.ariaLive = "assertive";
  message.textContent = `The page could not be loaded: ${error.message}`;
  message.classList.add("error");
}
