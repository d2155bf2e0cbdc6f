import { el } from "./elements.js";
import { dotted } from "./explanation.js";
import { colormapFor, colorTable, formatNumber } from "./viewer.js";

const SCALE_WORDS = { image: "one scale for all classes of the image", class: "scale of this class alone" };

/** The colors with their numbers, what the map is made of, and what lies under the pointer. */
export function legend() {
  const bar = el("canvas", { width: 256, height: 1, "aria-hidden": "true" });
  const [lowest, middle, highest] = [el("span"), el("span"), el("span")];
  const mark = el("i", { "aria-hidden": "true" });
  const caption = el("p", { class: "muted" });
  return {
    element: el("div", { class: "legend" }, el("div", { class: "bar-of-colors" }, bar, mark),
      el("div", { class: "line" }, lowest, middle, highest), caption),
    show(values, map) {
      const { view, data, scale } = map;
      const signed = view.polarity === "signed";
      paintBar(bar, colormapFor(map.flag && !view.showFlagged ? "gray" : view.colormap, view.polarity), signed);
      lowest.textContent = formatNumber(signed ? -scale : 0);
      middle.textContent = signed ? 0 : "";
      highest.textContent = formatNumber(view.polarity === "negative" ? -scale : scale);
      const limit = map.thresholdValue;
      mark.hidden = signed || limit === null || !scale || limit > scale;
      mark.style.left = `${(100 * limit) / scale}%`;
      const kind = view.chosen.contrast ? "scale of the difference" : SCALE_WORDS[view.scale] ?? "fixed scale";
      caption.textContent = `${captionOf(data, view)} · ${kind}`;
    },
  };
}

function captionOf({ mapHeight, mapWidth, stridePx, receptiveFieldPx, covers }, view) {
  const cellPx = stridePx ?? Math.round(covers.width / mapWidth);
  return dotted(
    `${mapHeight} × ${mapWidth} map`,
    `cell ${cellPx} px`,
    receptiveFieldPx && `receptive field ${receptiveFieldPx} px`,
    view.cells && view.mode === "heat" ? "cells as computed" : "smooth view is interpolated",
  );
}

function paintBar(canvas, colormap, signed) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(256, 1);
  const table = colorTable(colormap);
  for (let step = 0; step < 256; step++) {
    const from = 3 * (signed ? Math.max(step, 1) : step);
    image.data.set([table[from], table[from + 1], table[from + 2], 255], 4 * step);
  }
  context.putImageData(image, 0, 0);
}
