/** The lines over a map: outline, boxes, cells and receptive field. */
import { el } from "./elements.js";

function rectanglePath({ x, y, width, height }) {
  return `M${x} ${y}h${width}v${height}h${-width}z`;
}

/** An SVG drawing in pixels of the image. Each mark is a dark line under a light one. */
export class Marks {
  #lines = {};
  #drawn = {};

  constructor() {
    this.svg = el("svg", { class: "marks", "aria-hidden": "true" });
    for (const name of ["outline", "boxes", "pinned", "field", "cell"]) {
      this.#lines[name] = ["casing", "line"].map((kind) => el("path", { class: `${name} ${kind}` }));
      this.svg.append(...this.#lines[name]);
    }
  }

  /** Fit the drawing to an image; the outline is in eighths of a canvas pixel. */
  resize(place, widthPx, heightPx) {
    this.svg.setAttribute("viewBox", `0 0 ${widthPx} ${heightPx}`);
    const { x, y, width, height } = place.toImage({ x: 0, y: 0, width: 1, height: 1 });
    for (const line of this.#lines.outline) {
      line.setAttribute("transform", `translate(${x} ${y}) scale(${width / 8} ${height / 8})`);
    }
  }

  /** Draw the marks of a view; `hovered` is a cell or null. */
  draw(layers, view, numbers, hovered) {
    const { place, data } = layers;
    const shown = view.hidden ? [] : numbers.boxes;
    const boxes = { none: [], largest: shown.slice(0, 1), all: shown }[view.boxes] ?? [];
    const around = (cell, cells) => (cell ? rectanglePath(place.boxAround(cell, cells)) : "");
    const field = data.receptiveFieldPx && data.stridePx
      ? around(hovered ?? view.cell, data.receptiveFieldPx / data.stridePx)
      : "";
    this.#set("outline", view.hidden ? "" : this.#outline(layers, view, numbers));
    this.#set("boxes", boxes.map(rectanglePath).join(""));
    this.#set("pinned", around(view.cell));
    this.#set("field", field);
    this.#set("cell", around(hovered));
  }

  #outline(layers, view, { shares, maximum, regionShare }) {
    if (view.mode === "heat" || !maximum) return "";
    const segments = layers.outline(shares, regionShare);
    if (this.#drawn.segments !== segments) {
      this.#drawn.segments = segments;
      this.#drawn.path = segmentsPath(segments);
    }
    return this.#drawn.path;
  }

  #set(name, path) {
    if (this.#drawn[name] === path) return;
    this.#drawn[name] = path;
    for (const line of this.#lines[name]) line.setAttribute("d", path);
  }
}

/** Write segments as a path in eighths of a canvas pixel: whole numbers are written fast. */
function segmentsPath(segments) {
  const eighths = (n) => Math.round(8 * segments[n]);
  let path = "";
  for (let n = 0; n < segments.length; n += 4) {
    path += `M${eighths(n)} ${eighths(n + 1)}L${eighths(n + 2)} ${eighths(n + 3)}`;
  }
  return path;
}
