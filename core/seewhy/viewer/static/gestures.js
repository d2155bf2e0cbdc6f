/** Pointer, wheel and keys on a map. */

const CLICK_PX = 4;
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** Turns gestures on the canvas into hovers, pins, pans and zooms of a `SeewhyMap`. */
export class Gestures {
  #map;
  #pressed = null;

  constructor(map, canvas) {
    this.#map = map;
    canvas.addEventListener("pointerdown", (event) => this.#press(event, canvas));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#release(event));
    canvas.addEventListener("pointercancel", () => (this.#pressed = null));
    canvas.addEventListener("pointerleave", () => map.hover(null));
    canvas.addEventListener("blur", () => map.hover(null));
    canvas.addEventListener("wheel", (event) => this.#wheel(event, canvas), { passive: false });
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #press(event, canvas) {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    const { clientX: x, clientY: y } = event;
    this.#pressed = { x, y, moved: false, at: this.#map.pointAtClient(x, y) };
  }

  #move(event) {
    const pressed = this.#pressed;
    if (!pressed) {
      this.#map.hover(this.#map.cellAtClient(event.clientX, event.clientY));
      return;
    }
    const distance = Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y);
    pressed.moved ||= distance > CLICK_PX;
    if (!pressed.moved || !this.#map.view.zoom) return;
    const { x, y } = this.#map.pointAtClient(event.clientX, event.clientY);
    this.#map.panBy(pressed.at.x - x, pressed.at.y - y);
  }

  #release(event) {
    const pressed = this.#pressed;
    this.#pressed = null;
    if (!pressed || pressed.moved) return;
    const cell = this.#map.cellAtClient(event.clientX, event.clientY);
    if (cell) this.#map.pin(cell);
  }

  /** Zoom with Ctrl or a pinch, and without when the map has the focus; else the page scrolls. */
  #wheel(event, canvas) {
    const focused = document.activeElement === canvas;
    const outward = event.deltaY > 0;
    if (!event.ctrlKey && !event.metaKey && (!focused || (outward && !this.#map.view.zoom))) return;
    event.preventDefault();
    const linesPx = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const turned = Math.min(Math.max(event.deltaY * linesPx, -100), 100);
    this.#map.zoomBy(2 ** (-turned / 200), this.#map.pointAtClient(event.clientX, event.clientY));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#act(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Follow a key; return whether it meant something. */
  #act({ key, shiftKey }) {
    const map = this.#map;
    if (key in STEPS) {
      const [down, across] = STEPS[key];
      if (shiftKey) this.#pan(down, across);
      else this.#step(down, across);
      return true;
    }
    if (key === "+") map.zoomBy(1.5);
    else if (key === "0") map.fit();
    else if (key === "Enter" && map.cell) map.pin(map.cell);
    else if (key === "Escape" && (map.cell || map.view.cell)) {
      if (map.view.cell) map.pin(map.view.cell);
      map.hover(null);
    } else return false;
    return true;
  }

  #step(down, across) {
    const { mapHeight, mapWidth } = this.#map.data;
    const limit = (value, count) => Math.min(Math.max(value, 0), count - 1);
    const from = this.#map.cell;
    const cell = from
      ? [limit(from[0] + down, mapHeight), limit(from[1] + across, mapWidth)]
      : [mapHeight >> 1, mapWidth >> 1];
    this.#map.hover(cell, true);
  }

  #pan(down, across) {
    const { imageWidthPx, imageHeightPx } = this.#map.data;
    const scale = this.#map.view.zoom?.scale ?? 1;
    const step = 0.1 / scale;
    this.#map.panBy(across * step * imageWidthPx, down * step * imageHeightPx);
  }
}
