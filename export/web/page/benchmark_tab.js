/**
 * The second tab: how fast each model runs on this device, as a table to copy.
 */

import { perform } from "./engine.js";
import { deviceName, duration } from "./format.js";
import { modelName } from "./models.js";

const SECONDS = 3; // for each model
const PHOTO = 12e6; // pixels

const COLUMNS = {
  Model: ({ model }) => modelName(model),
  "Runs on": ({ accelerator, threads }) => deviceName(accelerator, threads),
  "12 MP photo": ({ model, median }) => {
    const inner = model.tile - 2 * model.receptive_field;
    return duration((median * PHOTO) / inner ** 2);
  },
  Median: ({ median }) => `${median.toFixed(1)} ms`,
  "95 % within": ({ slow }) => `${slow.toFixed(1)} ms`,
  Tile: ({ model }) => `${model.tile} × ${model.tile}`,
};

/** Everything in the element with the id "benchmark". */
export class BenchmarkTab {
  /**
   * @param {object} manifest models.json.
   * @param {string | null} gpu What the graphics processor is called, if WebGPU is there.
   */
  constructor(manifest, gpu) {
    const element = (id) => document.getElementById(id);
    this.ui = {
      start: element("benchmark-start"),
      cancel: element("benchmark-cancel"),
      progress: element("benchmark-progress"),
      bar: element("benchmark-bar"),
      now: element("benchmark-now"),
      message: element("benchmark-message"),
      table: element("benchmark-table"),
      copy: element("copy"),
      device: element("device"),
    };
    this.device = describeDevice(manifest, gpu);
    this.ui.device.textContent = this.device;
    this.tasks = manifest.models.flatMap((model) => {
      const accelerators = gpu && model.webgpu ? ["webgpu", "wasm"] : ["wasm"];
      return accelerators.map((accelerator) => ({ model, accelerator }));
    });
    // In the order of accelerators, as a change needs a new worker.
    this.tasks.sort((a, b) => b.accelerator.localeCompare(a.accelerator));
    this.ui.start.addEventListener("click", () => this.run());
    this.ui.cancel.addEventListener("click", () => this.running.abort());
    this.ui.copy.addEventListener("click", () => this.copy());
    this.showHead();
  }

  async run() {
    this.running = new AbortController();
    this.rows = [];
    this.failures = [];
    this.busy(true);
    this.ui.table.tBodies[0].replaceChildren();
    try {
      for (const [i, { model, accelerator }] of this.tasks.entries()) {
        this.ui.bar.value = i / this.tasks.length;
        this.ui.now.textContent = `${i + 1} of ${this.tasks.length}: ${model.file}`;
        const measured = await this.measure(model, accelerator);
        this.add({ model, accelerator, ...measured });
      }
      this.say([`${this.rows.length} measurements.`, ...this.failures].join(" "));
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      this.say("Cancelled.");
    } finally {
      this.busy(false);
    }
  }

  /** Times of one model; `failed` says why it did not run. */
  async measure(model, accelerator) {
    const task = { task: "benchmark", accelerator, model, seconds: SECONDS };
    try {
      return await perform(task, this.running.signal);
    } catch (error) {
      if (this.running.signal.aborted) throw error;
      return { failed: error.message };
    }
  }

  add(measured) {
    const cells = Object.entries(COLUMNS).map(([name, text]) => {
      const known = !measured.failed || ["Model", "Runs on", "Tile"].includes(name);
      return known ? text(measured) : "–";
    });
    const row = this.ui.table.tBodies[0].insertRow();
    if (measured.failed) this.failures.push(`${cells.slice(0, 2).join(", ")}: ${measured.failed}`);
    row.append(headerCell(cells[0], "row"));
    for (const cell of cells.slice(1)) row.insertCell().textContent = cell;
    this.rows.push(cells);
  }

  /** Put device and table on the clipboard as Markdown; select the table where that is barred. */
  async copy() {
    const line = (cells) => `| ${cells.join(" | ")} |`;
    const names = Object.keys(COLUMNS);
    const table = [line(names), line(names.map(() => "---")), ...this.rows.map(line)];
    try {
      await navigator.clipboard.writeText(`${this.device}\n\n${table.join("\n")}\n`);
      this.say("The table is on the clipboard.");
    } catch {
      getSelection().selectAllChildren(this.ui.table);
      this.say("The table is selected: copy it with the keyboard or the menu.");
    }
  }

  showHead() {
    const row = this.ui.table.tHead.insertRow();
    row.append(...Object.keys(COLUMNS).map((name) => headerCell(name, "col")));
  }

  busy(running) {
    this.ui.start.hidden = running;
    this.ui.cancel.hidden = this.ui.progress.hidden = !running;
    this.ui.copy.disabled = running || this.rows.length === 0;
    this.ui.table.parentElement.hidden = false;
    document.querySelector("[role=tablist]").inert = running; // there is one worker for both
    (running ? this.ui.cancel : this.ui.start).focus();
  }

  say(text) {
    this.ui.message.textContent = text;
  }
}

function headerCell(text, scope) {
  return Object.assign(document.createElement("th"), { textContent: text, scope });
}

function describeDevice({ litert_js: version }, gpu) {
  const isolated = self.crossOriginIsolated ? "" : " (no threads: page not isolated)";
  return [
    navigator.userAgent,
    gpu ? `WebGPU: ${gpu}` : "no WebGPU",
    `${navigator.hardwareConcurrency} CPU threads${isolated}`,
    `LiteRT.js ${version}`,
  ].join("; ");
}
