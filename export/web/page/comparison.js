/**
 * The picture before and after: one over the other, divided where the slider stands.
 */

/** Shows both; the slider is an ordinary range field, so keys and screen readers work. */
export class Comparison {
  /** @param {HTMLElement} root Holds .scroller > .stage > img + canvas, .divider, input[range]. */
  constructor(root) {
    const find = (selector) => root.querySelector(selector);
    this.root = root;
    this.scroller = find(".scroller");
    this.stage = find(".stage");
    this.before = find(".stage img");
    this.after = find(".stage canvas");
    this.divider = find(".divider");
    this.slider = find("input[type=range]");
    this.zoom = find("select");
    this.slider.addEventListener("input", () => this.divide());
    this.scroller.addEventListener("scroll", () => this.divide());
    this.zoom.addEventListener("change", () => this.enlarge());
    new ResizeObserver(() => this.resize()).observe(this.scroller);
    this.startDragging();
  }

  /** Show a picture alone, in the place that its result of `width` x `height` will take. */
  show({ url, name }, width, height) {
    this.before.src = url;
    this.before.alt = name;
    this.after.width = this.after.height = 0;
    this.size = { width, height };
    this.root.style.setProperty("--ratio", width / height);
    this.root.classList.remove("divided");
    this.resize();
  }

  /** Let the slider divide the picture and the result. */
  finish(label) {
    this.after.setAttribute("aria-label", label);
    this.root.classList.add("divided");
    this.slider.value = 50;
    this.resize();
  }

  /** Change the size on screen; what was in the middle stays there. */
  enlarge() {
    const { scroller } = this;
    const x = (scroller.scrollLeft + scroller.clientWidth / 2) / scroller.scrollWidth;
    const y = (scroller.scrollTop + scroller.clientHeight / 2) / scroller.scrollHeight;
    this.resize();
    scroller.scrollLeft = x * scroller.scrollWidth - scroller.clientWidth / 2;
    scroller.scrollTop = y * scroller.scrollHeight - scroller.clientHeight / 2;
    this.divide();
  }

  resize() {
    if (!this.size) return;
    const { clientWidth, clientHeight } = this.scroller;
    const { width, height } = this.size;
    const fit = Math.min(clientWidth / width, clientHeight / height);
    const factor = Number(this.zoom.value) || fit;
    this.stage.style.width = `${Math.floor(factor * width)}px`;
    this.stage.style.height = `${Math.floor(factor * height)}px`;
    this.divide();
  }

  /** Divide what is visible of the stage. */
  divide() {
    const stage = this.stage.getBoundingClientRect();
    const view = this.scroller.getBoundingClientRect();
    const left = Math.max(stage.left, view.left);
    const right = Math.min(stage.right, view.left + this.scroller.clientWidth);
    const at = left + ((right - left) * this.slider.value) / 100;
    const divided = this.root.classList.contains("divided");
    this.before.style.clipPath = divided ? `inset(0 ${stage.right - at}px 0 0)` : "none";
    this.after.style.clipPath = divided ? `inset(0 0 0 ${at - stage.left}px)` : "none";
    const top = Math.max(stage.top, view.top);
    const bottom = Math.min(stage.bottom, view.top + this.scroller.clientHeight);
    this.divider.style.left = `${at - view.left}px`;
    this.divider.style.top = `${top - view.top}px`;
    this.divider.style.height = `${bottom - top}px`;
    this.slider.setAttribute("aria-valuetext", `${this.slider.value} % original`);
    this.visible = { left, right };
  }

  /** The divider follows the pointer; elsewhere a mouse moves an enlarged picture. */
  startDragging() {
    const follow = ({ clientX }) => {
      const { left, right } = this.visible;
      this.slider.value = (100 * (clientX - left)) / (right - left);
      this.divide();
    };
    const pan = ({ movementX, movementY }) => this.scroller.scrollBy(-movementX, -movementY);
    drag(this.divider, follow);
    drag(this.scroller, pan, ({ pointerType }) => pointerType === "mouse");
  }
}

function drag(element, move, wanted = () => true) {
  element.addEventListener("pointerdown", (event) => {
    if (!wanted(event)) return;
    event.preventDefault();
    element.setPointerCapture(event.pointerId);
    element.addEventListener("pointermove", move);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    element.addEventListener(end, () => element.removeEventListener("pointermove", move));
  }
}
