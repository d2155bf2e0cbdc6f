/**
 * Maps as numbers: decode, read evidence, enlarge, describe, and place them on an image.
 *
 * A map is a Float32Array of mapHeight × mapWidth values, row by row from the top left, signed.
 * The numbers are those of `seewhy.imaging.maps` in Python.
 */
import { SMALLEST_MAXIMUM } from "./constants.js";

const NPY_HEADER =
  /^.NUMPY\x01[^]{3}\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+), (\d+), (\d+)\)/;

/**
 * Decode map.npy, of three-dimensional float32 as NumPy writes it.
 * @param {ArrayBuffer} buffer
 * @returns {Float32Array[]} one map for each target
 * @throws {Error} with a sentence for a person, for any other file
 */
export function decodeNpy(buffer) {
  const bytes = new Uint8Array(buffer);
  const shape = NPY_HEADER.exec(new TextDecoder("latin1").decode(bytes.subarray(0, 128)));
  if (!shape) throw new Error("The file is not a map.");
  const [count, height, width] = shape.slice(1).map(Number);
  const start = 10 + bytes[8] + 256 * bytes[9];
  const cells = height * width;
  if (bytes.length !== start + 4 * count * cells) {
    throw new Error("The map is incomplete. Load the page again.");
  }
  return Array.from({ length: count }, (_, n) =>
    new Float32Array(buffer, start + 4 * n * cells, cells));
}

/**
 * Return the evidence for a class, against it (as positive numbers), or both with its sign.
 * Values that are not finite count as 0.
 * @param {Float32Array} values
 * @param {"positive"|"negative"|"signed"} polarity
 */
export function evidence(values, polarity) {
  return values.map((value) => {
    if (!Number.isFinite(value)) return 0;
    if (polarity === "positive") return Math.max(value, 0);
    return polarity === "negative" ? Math.max(-value, 0) : value;
  });
}

/** Return the strongest evidence of a map, whatever its sign; 0 without evidence. */
export function strongest(strengths) {
  let maximum = 0;
  for (const value of strengths) maximum = Math.max(maximum, Math.abs(value));
  return maximum >= SMALLEST_MAXIMUM ? maximum : 0;
}

/** Return the weights by which `cells` values become `pixels`: indices and fractions. */
function axis(cells, pixels) {
  const first = new Int32Array(pixels);
  const fraction = new Float32Array(pixels);
  for (let n = 0; n < pixels; n++) {
    const position = (n + 0.5) * (cells / pixels) - 0.5;
    first[n] = Math.min(Math.max(Math.floor(position), 0), cells - 1);
    if (position > 0 && first[n] < cells - 1) fraction[n] = position - first[n];
  }
  return { first, fraction };
}

/**
 * Interpolate a map bilinearly; the value of a cell is that of its center.
 * Rounds like `cv2.resize` on x86, so that regions are those of the service.
 * @param {Float32Array} values finite
 * @param {{height: number, width: number}} size of the map, in cells
 * @param {{heightPx: number, widthPx: number}} sizePx
 * @returns {Float32Array} heightPx × widthPx
 */
export function enlarge(values, { height, width }, { heightPx, widthPx }) {
  const across = axis(width, widthPx);
  const down = axis(height, heightPx);
  const wide = new Float32Array(height * widthPx);
  for (let row = 0, out = 0; row < height; row++) {
    for (let x = 0; x < widthPx; x++, out++) {
      const cell = row * width + across.first[x];
      const value = values[cell];
      const fraction = across.fraction[x];
      wide[out] = fraction ? value + Math.fround(values[cell + 1] - value) * fraction : value;
    }
  }
  const pixels = new Float32Array(heightPx * widthPx);
  for (let y = 0, out = 0; y < heightPx; y++) {
    const fraction = down.fraction[y];
    const above = down.first[y] * widthPx;
    const below = fraction ? above + widthPx : above;
    for (let x = 0; x < widthPx; x++, out++) {
      const value = wide[above + x];
      pixels[out] = value + Math.fround(wide[below + x] - value) * fraction;
    }
  }
  return pixels;
}

/** Repeat each cell over its pixels; the same parameters and size as `enlarge`. */
export function enlargeCells(values, { height, width }, { heightPx, widthPx }) {
  const pixels = new Float32Array(heightPx * widthPx);
  const columns = Int32Array.from({ length: widthPx }, (_, x) =>
    Math.floor(((x + 0.5) * width) / widthPx));
  for (let y = 0, out = 0; y < heightPx; y++) {
    const row = Math.floor(((y + 0.5) * height) / heightPx) * width;
    for (let x = 0; x < widthPx; x++, out++) pixels[out] = values[row + columns[x]];
  }
  return pixels;
}

/** Return the share of the negative values in the sum of all sizes. */
export function negativeShare(values) {
  const sum = (polarity) => evidence(values, polarity).reduce((total, value) => total + Math.abs(value), 0);
  return sum("negative") / (sum("signed") || 1);
}

/** Return the percentage of the finite values that are at most `value`, 0 to 100. */
export function percentileOf(values, value) {
  const finite = values.filter(Number.isFinite);
  return finite.length ? (100 * finite.filter((other) => other <= value).length) / finite.length : 0;
}

/**
 * Subtract map b from map a. For a linear method this explains score a minus score b.
 * With `normalized`, each is first divided by its strongest value, for methods that are not.
 */
export function contrast(a, b, { normalized = false } = {}) {
  const divisor = (values) => (normalized && strongest(values.filter(Number.isFinite))) || 1;
  const [first, second] = [divisor(a), divisor(b)];
  return a.map((value, cell) => value / first - b[cell] / second);
}

/** Round half to even, as Python does. */
export function roundEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}

function span(start, length, limit) {
  const first = Math.min(Math.max(roundEven(start), 0), limit - 1);
  return [first, Math.min(Math.max(roundEven(start + length), first + 1), limit)];
}

/**
 * Place a map on its image and on a canvas of at most `maxSidePx`.
 *
 * `covered` is the part of the canvas that the map covers, in whole canvas pixels. Cells are
 * `[row, column]`, from 0. Rectangles and points of the methods are in pixels of the image.
 * @param {{covers, imageWidthPx, imageHeightPx, mapHeight, mapWidth}} data
 */
export function geometry(data, maxSidePx = 512) {
  const { covers, imageWidthPx, imageHeightPx, mapHeight, mapWidth } = data;
  const shrink = Math.min(1, maxSidePx / Math.max(imageWidthPx, imageHeightPx));
  const widthPx = Math.max(1, roundEven(imageWidthPx * shrink));
  const heightPx = Math.max(1, roundEven(imageHeightPx * shrink));
  const xScale = widthPx / imageWidthPx;
  const yScale = heightPx / imageHeightPx;
  const [left, right] = span(covers.x * xScale, covers.width * xScale, widthPx);
  const [top, bottom] = span(covers.y * yScale, covers.height * yScale, heightPx);
  const cellWidth = covers.width / mapWidth;
  const cellHeight = covers.height / mapHeight;
  return {
    widthPx,
    heightPx,
    covered: { x: left, y: top, width: right - left, height: bottom - top },
    /** Return the cell at a point, or null outside the map. */
    cellAt(x, y) {
      const row = Math.floor((y - covers.y) / cellHeight);
      const column = Math.floor((x - covers.x) / cellWidth);
      const inside = row >= 0 && column >= 0 && row < mapHeight && column < mapWidth;
      return inside ? [row, column] : null;
    },
    /** Return the square around a cell of `cells` × its size, cut at the edge of the map. */
    boxAround([row, column], cells = 1) {
      const cut = (center, half, start, length) => {
        const first = Math.max(center - half, start);
        return [first, Math.min(center + half, start + length) - first];
      };
      const [x, width] = cut(
        covers.x + (column + 0.5) * cellWidth, (cells * cellWidth) / 2, covers.x, covers.width);
      const [y, height] = cut(
        covers.y + (row + 0.5) * cellHeight, (cells * cellHeight) / 2, covers.y, covers.height);
      return { x, y, width, height };
    },
    /** Convert a rectangle of the covered canvas pixels. */
    toImage(box) {
      return {
        x: (left + box.x) / xScale,
        y: (top + box.y) / yScale,
        width: box.width / xScale,
        height: box.height / yScale,
      };
    },
  };
}
