/** Regions of a map, with the boxes and sizes of `seewhy.imaging.regions` in Python. */
import { SMALLEST_MAXIMUM } from "./constants.js";
import { evidence, roundEven, strongest } from "./map.js";

const OTSU_STEPS = 255;
const FLOAT32_EPSILON = 2 ** -23;

/**
 * Return the quantile of numbers by linear interpolation, rounded like NumPy with float32.
 * @param {Float32Array} values at least one, finite
 * @param {number} share 0 to 1
 */
export function quantile(values, share) {
  const sorted = values.slice().sort();
  const position = (sorted.length - 1) * share;
  const index = Math.floor(position);
  const fraction = position - index;
  const low = sorted[index];
  const high = sorted[index + 1] ?? low;
  const f = Math.fround;
  const difference = f(high - low);
  return fraction >= 0.5
    ? f(high - f(difference * f(1 - fraction)))
    : f(low + f(difference * f(fraction)));
}

/** Return Otsu's threshold of shares from 0 to 1, in 256 steps, as OpenCV computes it. */
function otsu(shares) {
  const histogram = new Float64Array(OTSU_STEPS + 1);
  for (const share of shares) {
    histogram[roundEven(Math.fround(share * OTSU_STEPS))]++;
  }
  const weight = 1 / shares.length;
  let mean = 0;
  histogram.forEach((count, step) => (mean += step * count));
  mean *= weight;
  let [below, lowMean, best, lastBelow] = [0, 0, 0, 0];
  histogram.forEach((count, step) => {
    const part = count * weight;
    lowMean *= below;
    below += part;
    const above = 1 - below;
    if (Math.min(below, above) < FLOAT32_EPSILON) return;
    if (Math.max(below, above) > 1 - FLOAT32_EPSILON) return;
    lowMean = (lowMean + step * part) / below;
    const highMean = (mean - below * lowMean) / above;
    const variance = below * above * (lowMean - highMean) * (lowMean - highMean);
    if (variance > best) [best, lastBelow] = [variance, step];
  });
  return (lastBelow + 0.5) / OTSU_STEPS;
}

/**
 * Divide the strength of each cell by the strongest, `maximum`. For both signs together, shares
 * keep their sign.
 * @returns {{shares: Float32Array, maximum: number}} maximum is 0 without evidence
 */
export function sharesOf(values, polarity = "positive") {
  const strength = evidence(values, polarity);
  const maximum = strongest(strength);
  return { shares: strength.map((value) => value / (maximum || 1)), maximum };
}

/**
 * Return the threshold that a rule gives for shares of the strongest evidence.
 * @param {{kind: "fraction"|"percentile"|"otsu", value?: number}} rule percentiles from 0 to 100
 */
export function thresholdShare(shares, rule) {
  if (rule.kind === "fraction") return rule.value;
  const sizes = shares.map(Math.abs);
  return rule.kind === "otsu" ? otsu(sizes) : quantile(sizes, rule.value / 100);
}

/**
 * Return the sizes of pixels with a border of −1, which reaches no threshold, around them; how many
 * a row has; their sum without the border; and the least size that reaches a threshold.
 */
function bordered(pixels, { heightPx, widthPx }, threshold) {
  const stride = widthPx + 2;
  const sizes = new Float32Array(stride * (heightPx + 2)).fill(-1);
  let total = 0;
  for (let y = 0, at = 0; y < heightPx; y++) {
    const start = (y + 1) * stride + 1;
    for (let x = 0; x < widthPx; x++, at++) total += sizes[start + x] = Math.abs(pixels[at]);
  }
  return { sizes, stride, total, least: Math.max(Math.fround(threshold), SMALLEST_MAXIMUM) };
}

/**
 * Find the connected parts of an enlarged map that reach a threshold. Pixels touch at edges and
 * corners. Boxes are in pixels of the array, and scores are those of the strongest pixels.
 * @param {Float32Array} pixels heightPx × widthPx, evidence or its shares of the strongest
 * @param {number} threshold in the unit of `pixels`
 * @param {number} count how many regions are described, largest first
 * @returns {{found: number, areaPx: number, massShare: number, regions: object[]}} `areaPx` and
 *   `massShare` count every pixel that reaches the threshold
 */
export function findRegions(pixels, sizePx, threshold, count) {
  const { sizes, stride, total, least } = bordered(pixels, sizePx, threshold);
  const neighbors = [-stride - 1, -stride, -stride + 1, -1, 1, stride - 1, stride, stride + 1];
  const blocksPerRow = (sizePx.widthPx + 1) >> 1;
  const found = [];
  let [areaPx, mass] = [0, 0];
  for (let start = 0; start < sizes.length; start++) {
    if (sizes[start] < least) continue;
    let [area, score, block, left, top, right, bottom] = [0, 0, Infinity, Infinity, Infinity, 0, 0];
    // Pixels that are known become negative.
    sizes[start] *= -1;
    for (const open = [start]; open.length; area++) {
      const n = open.pop();
      const x = (n % stride) - 1;
      const y = Math.floor(n / stride) - 1;
      mass -= sizes[n];
      score = Math.max(score, -sizes[n]);
      // OpenCV reads blocks of 2 × 2 pixels, and counts regions in this order.
      block = Math.min(block, (y >> 1) * blocksPerRow + (x >> 1));
      left = Math.min(left, x);
      top = Math.min(top, y);
      right = Math.max(right, x + 1);
      bottom = Math.max(bottom, y + 1);
      for (const step of neighbors) {
        if (sizes[n + step] < least) continue;
        sizes[n + step] *= -1;
        open.push(n + step);
      }
    }
    areaPx += area;
    const box = { x: left, y: top, width: right - left, height: bottom - top };
    found.push({ box, areaPx: area, score, block });
  }
  found.sort((a, b) => b.areaPx - a.areaPx || a.block - b.block);
  const massShare = Math.min(mass / (total || 1), 1);
  return { found: found.length, areaPx, massShare, regions: found.slice(0, count) };
}

/**
 * Return the line between the pixels that reach a threshold and the others.
 *
 * The line runs between centers of pixels, by linear interpolation, and along the edge of the
 * array. Each segment is `x1, y1, x2, y2` in pixels from the top left corner of the array.
 * @returns {number[]}
 */
export function isolines(pixels, sizePx, threshold) {
  const { sizes, stride, least } = bordered(pixels, sizePx, threshold);
  const segments = [];
  for (let n = 0; n + stride + 1 < sizes.length; n++) {
    const inside = sizes[n] >= least;
    const [right, below] = [sizes[n + 1] >= least, sizes[n + stride] >= least];
    if (right === inside && below === inside && (sizes[n + stride + 1] >= least) === inside) continue;
    const [x, y] = [(n % stride) - 0.5, Math.floor(n / stride) - 0.5];
    // Clockwise from the top left.
    const corners = [[n, x, y], [n + 1, x + 1, y], [n + stride + 1, x + 1, y + 1], [n + stride, x, y + 1]];
    const points = corners.flatMap(([from, x1, y1], corner) => {
      const [to, x2, y2] = corners[(corner + 1) % 4];
      const [low, high] = [sizes[from], sizes[to]];
      if ((low >= least) === (high >= least)) return [];
      // Outside the array there is no value: the line then lies on the edge.
      const part = low < 0 || high < 0 ? 0.5 : (least - low) / (high - low);
      return [x1 + part * (x2 - x1), y1 + part * (y2 - y1)];
    });
    // Opposite corners that reach the threshold are joined.
    segments.push(...(inside ? points : [...points.slice(2), ...points.slice(0, 2)]));
  }
  return segments;
}
