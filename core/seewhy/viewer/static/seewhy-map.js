/** `<seewhy-map>`: a photo, the map on it, and what a person does with them. */
import { percentileOf } from "./map.js";
import { Layers } from "./layers.js";
import { el } from "./elements.js";
import { Marks } from "./marks.js";
import { Gestures } from "./gestures.js";

const VIEW = {
  chosen: 0, polarity: "positive", colormap: "inferno", opacity: 0.6, threshold: null,
  mode: "heat", cells: false, gray: true, boxes: "none", scale: "image", hidden: false,
  zoom: null, cell: null, showFlagged: false,
};
const MAX_ZOOM = 32;

/**
 * Shows a map on its photo.
 *
 * Events bubble. `cellhover` and `cellpin` have the detail `{row, column, value, percentile,
 * values}`, from 0, or null; `cellhover` has `byKey`, too. `zoomchange` has the zoom, `paint` has
 * `{ms}`, and `photoerror` comes when the photo does not load: the map then lies on a checkerboard.
 * The element itself follows a pin or a zoom by a person; the view that it then has is in `view`.
 */
export class SeewhyMap extends HTMLElement {
  #data = null;
  #view = VIEW;
  #layers = null;
  #numbers = null;
  #parts = null;
  #hovered = null;
  #waiting = false;
  #stale = false;

  /**
   * The maps and their photo: `{photoUrl|null, maps: Float32Array[], mapHeight, mapWidth,
   * covers: {x, y, width, height}, imageWidthPx, imageHeightPx, targets, method, linear, layer,
   * stridePx|null, receptiveFieldPx|null}`. `targets` are those of the result. Stride and
   * receptive field are in pixels of the network's input.
   */
  set data(data) {
    this.#data = data;
    this.#layers = data && new Layers(data);
    this.#hovered = null;
    this.#build();
    this.#change();
  }

  get data() {
    return this.#data;
  }

  /**
   * What is shown: `{chosen: index | {contrast: [a, b]}, polarity, colormap, opacity 0 to 1,
   * threshold: {kind, value}|null, mode: "heat"|"contour"|"mask", cells, gray,
   * boxes: "none"|"largest"|"all", scale: "image"|"class"|number, hidden,
   * zoom: {scale, x, y}|null, cell: [row, column]|null, showFlagged}`. Missing settings are the
   * defaults. `zoom.x` and `zoom.y` are the pixel of the image in the center; null fits the image.
   */
  set view(view) {
    this.#view = { ...VIEW, ...view };
    this.#change();
  }

  get view() {
    return this.#view;
  }

  /** The evidence of the strongest color, in the unit of the map. */
  get scale() {
    return this.#read().scale;
  }

  /** The boxes of the regions at the threshold, or at the default threshold, largest first. */
  get boxes() {
    return this.#read().boxes;
  }

  /** The threshold in the unit of the map, or null. */
  get thresholdValue() {
    return this.#read().thresholdValue;
  }

  /** The share of the image whose evidence reaches the threshold of the regions. */
  get areaShare() {
    return this.#read().areaShare;
  }

  /** The share of the evidence in that area. */
  get massShare() {
    return this.#read().massShare;
  }

  /** The values of the shown map, or of the difference: mapHeight × mapWidth. */
  get values() {
    return this.#read().values;
  }

  /** Why the map is drawn gray and hatched; empty when it is not flagged. */
  get flag() {
    return this.#read().flag;
  }

  /** The map in one sentence. */
  get sentence() {
    return this.#layers.sentence(this.#view, this.#read());
  }

  /** Zoom by a factor around a point of the image, by default the center of what is shown. */
  zoomBy(factor, at = null) {
    const { scale, x, y } = this.#zoom();
    const next = Math.min(Math.max(scale * factor, 1), MAX_ZOOM);
    const point = at ?? { x, y };
    const moved = (center, fixed) => fixed + ((center - fixed) * scale) / next;
    this.#setZoom({ scale: next, x: moved(x, point.x), y: moved(y, point.y) });
  }

  /** Move what is shown by pixels of the image. */
  panBy(xPx, yPx) {
    const { scale, x, y } = this.#zoom();
    this.#setZoom({ scale, x: x + xPx, y: y + yPx });
  }

  /** Show the whole image. */
  fit() {
    this.#setZoom(null);
  }

  /** Hover a cell, `[row, column]`, or none; `byKey` when a person moved there with the keys. */
  hover(cell, byKey = false) {
    if (String(cell) === String(this.#hovered)) return;
    this.#hovered = cell;
    this.#drawMarks();
    this.#emit("cellhover", cell && { ...this.describe(cell), byKey });
  }

  /** Pin a cell, or release it when it is pinned already. */
  pin(cell) {
    const next = String(cell) === String(this.#view.cell) ? null : cell;
    this.#view = { ...this.#view, cell: next };
    this.#drawMarks();
    this.#emit("cellpin", next && this.describe(next));
  }

  /** The cell under the pointer or the keys, else the pinned one, else null. */
  get cell() {
    return this.#hovered ?? this.#view.cell;
  }

  /** The cell at a point of the window, or null. */
  cellAtClient(clientX, clientY) {
    const { x, y } = this.pointAtClient(clientX, clientY);
    return this.#layers.place.cellAt(x, y);
  }

  /** The point of the image, in its pixels, at a point of the window. */
  pointAtClient(clientX, clientY) {
    const box = this.#parts.stage.getBoundingClientRect();
    return {
      x: ((clientX - box.left) / box.width) * this.#data.imageWidthPx,
      y: ((clientY - box.top) / box.height) * this.#data.imageHeightPx,
    };
  }

  #build() {
    if (!this.#data) {
      this.replaceChildren();
      this.#parts = null;
      return;
    }
    if (!this.#parts) {
      const lost = () => {
        this.classList.add("no-photo");
        this.#emit("photoerror", null);
      };
      const photo = el("img", { class: "photo", alt: "", draggable: false, onerror: lost });
      const canvas = el("canvas", { class: "heat", role: "img", tabindex: 0 });
      const marks = new Marks();
      const stage = el("div", { class: "stage" }, photo, canvas, marks.svg);
      this.replaceChildren(stage);
      this.#parts = { stage, photo, canvas, marks, gestures: new Gestures(this, canvas) };
    }
    const { photo, canvas, marks } = this.#parts;
    const { imageWidthPx, imageHeightPx, photoUrl } = this.#data;
    this.style.setProperty("--ratio", imageWidthPx / imageHeightPx);
    this.classList.toggle("no-photo", !photoUrl);
    photo.hidden = !photoUrl;
    if (!photoUrl) photo.removeAttribute("src");
    else if (photo.getAttribute("src") !== photoUrl) photo.src = photoUrl;
    const { widthPx, heightPx } = this.#layers.place;
    canvas.width = widthPx;
    canvas.height = heightPx;
    marks.resize(this.#layers.place, imageWidthPx, imageHeightPx);
  }

  /** Paint now, or with the next frame when this one is painted already. */
  #change() {
    this.#numbers = null;
    if (!this.#data) return;
    if (this.#waiting) {
      this.#stale = true;
      return;
    }
    this.#waiting = true;
    requestAnimationFrame(() => {
      this.#waiting = false;
      if (!this.#stale || !this.#data) return;
      this.#stale = false;
      this.#paint();
    });
    this.#paint();
  }

  #paint() {
    const started = performance.now();
    const { canvas, photo } = this.#parts;
    this.#layers.paint(canvas, this.#view, this.#read());
    canvas.style.opacity = this.#view.hidden ? 0 : this.#view.opacity;
    canvas.setAttribute("aria-label", this.sentence);
    photo.classList.toggle("gray", this.#view.gray && !this.#view.hidden);
    this.#drawZoom();
    this.#drawMarks();
    this.#emit("paint", { ms: performance.now() - started });
  }

  #read() {
    this.#numbers ??= this.#layers.read(this.#view);
    return this.#numbers;
  }

  /** Describe a cell, `[row, column]`, as `cellhover` does. */
  describe([row, column]) {
    const { maps, mapWidth } = this.#data;
    const at = row * mapWidth + column;
    const value = this.values[at];
    return {
      row, column, value,
      percentile: percentileOf(this.values, value),
      values: maps.map((map) => map[at]),
    };
  }

  /** The zoom, so that the image fills what is shown. */
  #zoom() {
    const { imageWidthPx: width, imageHeightPx: height } = this.#data;
    const { scale, x, y } = this.#view.zoom ?? { scale: 1, x: width / 2, y: height / 2 };
    const used = Math.min(Math.max(scale, 1), MAX_ZOOM);
    const inside = (center, length) => {
      const half = length / used / 2;
      return Math.min(Math.max(center, half), length - half);
    };
    return { scale: used, x: inside(x, width), y: inside(y, height) };
  }

  #setZoom(zoom) {
    this.#view = { ...this.#view, zoom };
    const next = this.#zoom();
    this.#view.zoom = next.scale > 1 ? next : null;
    this.#drawZoom();
    this.#emit("zoomchange", this.#view.zoom);
  }

  #drawZoom() {
    const { stage } = this.#parts;
    const { scale, x, y } = this.#zoom();
    const part = (center, length) => `${50 - (100 * scale * center) / length}%`;
    const across = part(x, this.#data.imageWidthPx);
    const down = part(y, this.#data.imageHeightPx);
    stage.style.transform = scale > 1 ? `translate(${across}, ${down}) scale(${scale})` : "none";
    this.style.setProperty("--zoom", scale);
    this.classList.toggle("zoomed", scale > 1);
  }

  #drawMarks() {
    if (!this.#data) return;
    this.#parts.marks.draw(this.#layers, this.#view, this.#read(), this.#hovered);
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }
}

if (!customElements.get("seewhy-map")) customElements.define("seewhy-map", SeewhyMap);
