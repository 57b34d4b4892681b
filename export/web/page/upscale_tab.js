/**
 * The first tab: choose a picture, upscale it, compare, download.
 */

import { Comparison } from "./comparison.js";
import { perform } from "./engine.js";
import { deviceName, dimensions, duration } from "./format.js";
import { checkSize, resizeCanvas } from "./limits.js";
import { ModelForm, modelName } from "./models.js";
import { decode, openPicture } from "./picture.js";

/** Everything in the element with the id "upscale". */
export class UpscaleTab {
  /**
   * @param {object} manifest models.json.
   * @param {boolean} webGpu Whether this browser offers WebGPU.
   */
  constructor(manifest, webGpu) {
    const element = (id) => document.getElementById(id);
    this.ui = Object.fromEntries(
      ["scale", "network", "precision", "accelerator", "start", "cancel", "download", "file"]
        .concat(["message", "progress", "bar", "remaining", "facts", "drop", "example", "view"])
        .map((id) => [id, element(id)]),
    );
    this.webGpu = webGpu;
    const { scale, network, precision } = this.ui;
    this.form = new ModelForm(manifest.models, { scale, network, precision });
    this.smallestScale = Math.min(...manifest.models.map((model) => model.scale));
    this.comparison = new Comparison(this.ui.view);
    this.ui.accelerator.querySelector("[value=webgpu]").disabled = !webGpu;
    this.ui.example.hidden = !manifest.example;
    this.listen(manifest.example);
  }

  listen(example) {
    const { file, start, cancel, download } = this.ui;
    file.addEventListener("change", () => {
      if (file.files[0]) this.open(file.files[0]);
      file.value = ""; // so that the same file can be chosen again
    });
    this.ui.example.addEventListener("click", async () => {
      const response = await fetch(example).catch(() => null);
      const blob = response?.ok && (await response.blob().catch(() => null));
      if (!blob) return this.say("The example could not be loaded.", true);
      this.open(new File([blob], example, { type: blob.type }));
    });
    start.addEventListener("click", () => this.upscale());
    cancel.addEventListener("click", () => this.running.abort());
    download.addEventListener("click", () => this.download());
    document.addEventListener("paste", ({ clipboardData: { files } }) => this.take(files));
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      document.body.classList.add("dragging");
    });
    for (const end of ["dragleave", "drop"]) {
      document.addEventListener(end, () => document.body.classList.remove("dragging"));
    }
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      this.take(event.dataTransfer.files);
    });
  }

  take(files) {
    const hidden = this.ui.message.offsetParent === null; // behind the other tab
    if (files.length > 0 && !this.running && !hidden) this.open(files[0]);
  }

  /** Show a file's picture, or say why it cannot be used; not if meanwhile something else began. */
  async open(file) {
    this.opening = file;
    const superseded = () => this.running || this.opening !== file;
    let picture;
    try {
      picture = await openPicture(file);
      if (superseded()) return URL.revokeObjectURL(picture.url);
      checkSize(picture, this.smallestScale);
    } catch (error) {
      if (picture) URL.revokeObjectURL(picture.url);
      return superseded() || this.say(error.message, true);
    }
    if (this.picture) URL.revokeObjectURL(this.picture.url);
    this.picture = picture;
    this.ui.drop.hidden = true;
    this.ui.view.hidden = false;
    this.ui.start.disabled = false;
    this.reset();
  }

  /** Show the picture without a result. */
  reset() {
    if (!this.picture) return;
    const { name, width, height } = this.picture;
    this.canvas = null;
    this.ui.download.disabled = true;
    this.ui.facts.replaceChildren();
    this.comparison.show(this.picture, width, height);
    this.say(`${name}: ${dimensions(width, height)} pixels.`);
  }

  async upscale() {
    const model = this.form.model;
    const chosen = this.ui.accelerator.value;
    const automatic = this.webGpu && model.webgpu ? "webgpu" : "wasm";
    const first = chosen === "auto" ? automatic : chosen;
    this.running = new AbortController();
    this.busy(true);
    this.say(`Upscaling with ${modelName(model)} on ${deviceName(first)}.`);
    try {
      checkSize(this.picture, model.scale);
      const bitmap = await decode(this.picture);
      let note = "";
      let outcome;
      try {
        outcome = await this.run(model, first, bitmap);
      } catch (error) {
        if (chosen !== "auto" || first === "wasm" || this.running.signal.aborted) throw error;
        note = `${error.message} It was computed on the CPU instead.`;
        outcome = await this.run(model, "wasm", bitmap);
      }
      bitmap.close();
      this.finish(model, outcome, note);
    } catch (error) {
      this.reset();
      const cancelled = error.name === "AbortError";
      this.say(cancelled ? "Cancelled." : error.message, !cancelled);
    } finally {
      this.running = null;
      this.busy(false);
    }
  }

  /** Upscale on one accelerator, drawing each tile as it comes. */
  async run(model, accelerator, bitmap) {
    const [width, height] = [bitmap.width * model.scale, bitmap.height * model.scale];
    this.comparison.show(this.picture, width, height);
    const canvas = this.comparison.after;
    const context = resizeCanvas(canvas, width, height);
    const began = performance.now();
    this.progress(0, 1, 0);
    this.ui.view.scrollIntoView({ block: "nearest" });
    const task = { task: "upscale", accelerator, model, bitmap };
    const result = await perform(task, this.running.signal, (part) => {
      const { data, width, x, y, done, total } = part;
      context.putImageData(new ImageData(data, width), x, y);
      this.progress(done, total, performance.now() - began);
    });
    const loading = performance.now() - began - result.milliseconds;
    return { ...result, loading, accelerator };
  }

  finish(model, { accelerator, milliseconds, loading, threads }, note) {
    const { canvas, facts } = { canvas: this.comparison.after, facts: this.ui.facts };
    this.canvas = canvas;
    this.fileName = `${this.picture.name.replace(/\.[^.]*$/, "")}_x${model.scale}.png`;
    const size = dimensions(canvas.width, canvas.height);
    this.comparison.finish(`${this.picture.name}, upscaled to ${size} pixels`);
    const rows = {
      Before: `${dimensions(this.picture.width, this.picture.height)} pixels`,
      After: `${size} pixels`,
      Time: duration(milliseconds),
      Loading: duration(loading),
      Computed: deviceName(accelerator, threads),
      Model: `${modelName(model)}, ${(model.bytes / 1e6).toFixed(1)} MB`,
    };
    const pair = ([term, text]) => {
      const [dt, dd] = [document.createElement("dt"), document.createElement("dd")];
      [dt.textContent, dd.textContent] = [term, text];
      return [dt, dd];
    };
    facts.replaceChildren(...Object.entries(rows).flatMap(pair));
    this.ui.download.disabled = false;
    this.say(`Done: ${size} pixels in ${duration(milliseconds)}. ${note}`.trim());
  }

  download() {
    this.canvas.toBlob((blob) => {
      if (!blob) return this.say("There is no memory left to write the PNG file.", true);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = this.fileName;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    }, "image/png");
  }

  progress(done, total, elapsed) {
    this.ui.bar.value = done / total;
    const left = done > 0 ? `, ${duration((elapsed * (total - done)) / done)} left` : "";
    this.ui.remaining.textContent =
      done > 0 ? `${done} of ${total} tiles${left}` : "Preparing the model and the picture";
  }

  busy(running) {
    const { start, cancel, progress, file, example } = this.ui;
    for (const field of document.querySelectorAll("#upscale select, #upscale input")) {
      if (!this.ui.view.contains(field)) field.disabled = running;
    }
    start.hidden = running;
    cancel.hidden = !running;
    progress.hidden = !running;
    file.disabled = example.disabled = running;
    document.querySelector("[role=tablist]").inert = running; // there is one worker for both
    (running ? cancel : start).focus({ preventScroll: true });
  }

  say(text, isError = false) {
    this.ui.message.ariaLive = isError ? "assertive" : "polite";
    this.ui.message.classList.toggle("error", isError);
    this.ui.message.textContent = text;
  }
}
