/** Colors of evidence. Numbers are interpolated first: blended colors stand for no value. */
import { COLORMAPS, DIVERGING } from "./constants.js";

const tables = new Map();

/**
 * Return a colormap of 256 steps.
 * @param {string} name one of the keys of COLORMAPS
 * @returns {Uint8Array} 256 × 3, RGB
 */
export function colorTable(name) {
  if (!tables.has(name)) {
    const table = new Uint8Array(256 * 3);
    // Eight digits for each known color: its step, red, green and blue. Others lie between two.
    const known = (COLORMAPS[name] ?? COLORMAPS.inferno).match(/../g).map((digits) => parseInt(digits, 16));
    for (let at = 4; at < known.length; at += 4) {
      const [first, last] = [known[at - 4], known[at]];
      for (let step = first; step <= last; step++) {
        for (const part of [0, 1, 2]) {
          const [from, to] = [known[at - 3 + part], known[at + 1 + part]];
          table[3 * step + part] = Math.round(from + ((to - from) * (step - first)) / (last - first));
        }
      }
    }
    tables.set(name, table);
  }
  return tables.get(name);
}

/** Return the colormap that shows a polarity: both signs need the diverging one. */
export function colormapFor(name, polarity) {
  return polarity === "signed" ? DIVERGING : name;
}

// Bytes of a pixel are red, green, blue, opacity; the lowest byte of a number comes first.
const packed = (red, green, blue, opacity = 255) =>
  ((opacity << 24) | (blue << 16) | (green << 8) | red) >>> 0;

/**
 * Color an enlarged map.
 *
 * `heat` colors each pixel, and leaves those below the threshold transparent; `mask` covers those
 * below the threshold in black; `contour` draws nothing. Opacity is set by the style of the canvas.
 * Both signs need the colormap of `colormapFor`.
 * @param {Float32Array} pixels evidence, as many as `target` has
 * @param {{scale: number, polarity?: string, colormap?: string, threshold?: number,
 *   mode?: "heat"|"mask"|"contour"}} options scale, the evidence of the strongest color, and
 *   threshold are in the unit of `pixels`
 * @param {ImageData} target
 */
export function colorize(pixels, options, target) {
  const { scale, polarity = "positive", threshold = 0, mode = "heat" } = options;
  const colors = new Uint32Array(target.data.buffer);
  if (mode !== "heat") {
    const below = mode === "mask" ? packed(0, 0, 0) : 0;
    for (let n = 0; n < colors.length; n++) {
      const size = Math.abs(pixels[n]);
      colors[n] = size > 0 && size >= threshold ? 0 : below;
    }
    return;
  }
  const colormap = options.colormap ?? colormapFor("inferno", polarity);
  const zero = colormap === DIVERGING ? 128 : 0;
  const table = colorTable(colormap);
  const palette = Uint32Array.from({ length: 256 }, (_, step) =>
    packed(table[3 * step], table[3 * step + 1], table[3 * step + 2]));
  const sign = polarity === "negative" && zero ? -1 : 1;
  const factor = scale > 0 && scale < Infinity ? (sign * (255 - zero)) / scale : 0;
  const [lowest, highest] = [zero ? 1.5 : 0.5, 255.5];
  for (let n = 0; n < colors.length; n++) {
    const value = pixels[n];
    const step = Math.min(Math.max(value * factor + zero + 0.5, lowest), highest);
    colors[n] = Math.abs(value) < threshold ? 0 : palette[step | 0];
  }
}

/**
 * Hatch a rectangle of an image with dark and light diagonals: its values are not to be read.
 * @param {ImageData} target
 * @param {{x: number, y: number, width: number, height: number}} box in its pixels
 * @param {boolean} fill whether the space between the lines becomes gray; lines are then closer
 */
export function hatch(target, box, fill = true) {
  const colors = new Uint32Array(target.data.buffer);
  const [dark, light, gray] = [20, 235, 128].map((level) => packed(level, level, level));
  const right = Math.min(target.width, box.x + box.width);
  const bottom = Math.min(target.height, box.y + box.height);
  for (let y = Math.floor(box.y); y < bottom; y++) {
    for (let x = Math.floor(box.x), at = y * target.width + x; x < right; x++, at++) {
      const place = (x + y) % (fill ? 8 : 16);
      if (place < 2) colors[at] = place ? light : dark;
      else if (fill) colors[at] = gray;
    }
  }
}
