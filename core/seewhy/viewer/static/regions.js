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

/** Find the runs of pixels in rows that reach a threshold, joined to components, and sums. */
function findRuns(pixels, { heightPx, widthPx }, threshold) {
  const smallest = Math.max(Math.fround(threshold), SMALLEST_MAXIMUM);
  const runs = [];
  const parents = [];
  const root = (n) => {
    while (parents[n] !== n) n = parents[n] = parents[parents[n]];
    return n;
  };
  let [total, mass, areaPx, previous] = [0, 0, 0, 0];
  for (let y = 0, at = 0; y < heightPx; y++) {
    const start = runs.length;
    for (let x = 0; x < widthPx; x++, at++) {
      let value = Math.abs(pixels[at]);
      total += value;
      if (value < smallest) continue;
      const first = x;
      while (value >= smallest) {
        mass += value;
        x++;
        at++;
        if (x === widthPx) break;
        value = Math.abs(pixels[at]);
        total += value;
      }
      areaPx += x - first;
      const number = runs.length;
      runs.push({ y, first, end: x, label: number });
      parents.push(number);
      // Pixels touch at edges and corners. A run of the row above can touch the next one, too.
      while (previous < start && runs[previous].end < first) previous++;
      for (let n = previous; n < start && runs[n].first <= x; n++) {
        const [a, b] = [root(n), root(number)];
        parents[Math.max(a, b)] = Math.min(a, b);
      }
      if (x === widthPx) break;
    }
    previous = start;
  }
  runs.forEach((run, n) => (run.label = root(n)));
  return { runs, areaPx, mass, total };
}

/** Group runs by component, largest first; of the same size, in OpenCV's reading order. */
function rank(runs, widthPx) {
  const found = new Map();
  const blocksPerRow = (widthPx + 1) >> 1;
  for (const run of runs) {
    // OpenCV reads blocks of 2 × 2 pixels.
    const block = (run.y >> 1) * blocksPerRow + (run.first >> 1);
    const known = found.get(run.label);
    if (!known) {
      found.set(run.label, {
        runs: [run], block, areaPx: run.end - run.first,
        left: run.first, right: run.end, top: run.y, bottom: run.y + 1,
      });
      continue;
    }
    known.runs.push(run);
    known.areaPx += run.end - run.first;
    known.block = Math.min(known.block, block);
    known.left = Math.min(known.left, run.first);
    known.right = Math.max(known.right, run.end);
    known.bottom = run.y + 1;
  }
  return [...found.values()].sort((a, b) => b.areaPx - a.areaPx || a.block - b.block);
}

/** Return the box of a component, and its strongest pixel as its score. */
function describe({ runs, left, right, top, bottom, areaPx }, pixels, widthPx) {
  let score = 0;
  for (const { y, first, end } of runs) {
    for (let n = first; n < end; n++) score = Math.max(score, Math.abs(pixels[y * widthPx + n]));
  }
  return { box: { x: left, y: top, width: right - left, height: bottom - top }, areaPx, score };
}

/**
 * Find the connected parts of an enlarged map that reach a threshold. Boxes are in pixels of the
 * array.
 * @param {Float32Array} pixels heightPx × widthPx, evidence or its shares of the strongest
 * @param {number} threshold in the unit of `pixels`
 * @param {number} count how many regions are described, largest first
 * @returns {{found: number, areaPx: number, massShare: number, regions: object[]}} `areaPx` and
 *   `massShare` count every pixel that reaches the threshold
 */
export function findRegions(pixels, sizePx, threshold, count) {
  const { runs, areaPx, mass, total } = findRuns(pixels, sizePx, threshold);
  const ranked = rank(runs, sizePx.widthPx);
  return {
    found: ranked.length,
    areaPx,
    massShare: total ? Math.min(mass / total, 1) : 0,
    regions: ranked.slice(0, count).map((component) => describe(component, pixels, sizePx.widthPx)),
  };
}

/**
 * Return the line between the pixels that reach a threshold and the others.
 *
 * The line runs between centers of pixels, by linear interpolation, and along the edge of the
 * array. Each segment is `x1, y1, x2, y2` in pixels from the top left corner of the array.
 * @returns {number[]}
 */
export function isolines(pixels, { heightPx, widthPx }, threshold) {
  const smallest = Math.max(Math.fround(threshold), SMALLEST_MAXIMUM);
  // A border of pixels that do not reach the threshold.
  const stride = widthPx + 2;
  const inside = new Uint8Array(stride * (heightPx + 2));
  for (let y = 0, at = 0; y < heightPx; y++) {
    for (let x = 0, n = (y + 1) * stride + 1; x < widthPx; x++, n++, at++) {
      if (Math.abs(pixels[at]) >= smallest) inside[n] = 1;
    }
  }
  const at = (x, y) =>
    x < 0 || y < 0 || x >= widthPx || y >= heightPx ? -1 : Math.abs(pixels[y * widthPx + x]);
  // Outside the array there is no value: the line then lies on the edge.
  const part = (from, to) => (from < 0 || to < 0 ? 0.5 : (smallest - from) / (to - from));
  const segments = [];
  for (let y = -1, n = 0; y < heightPx; y++, n++) {
    for (let x = -1; x < widthPx; x++, n++) {
      const corners = inside[n] | (inside[n + 1] << 1)
        | (inside[n + stride + 1] << 2) | (inside[n + stride] << 3);
      if (!corners || corners === 15) continue;
      const [left, top] = [x + 0.5, y + 0.5];
      const [upLeft, upRight] = [at(x, y), at(x + 1, y)];
      const [downLeft, downRight] = [at(x, y + 1), at(x + 1, y + 1)];
      const edges = [
        [left + part(upLeft, upRight), top],
        [left + 1, top + part(upRight, downRight)],
        [left + part(downLeft, downRight), top + 1],
        [left, top + part(upLeft, downLeft)],
      ];
      for (const [a, b] of CROSSED[corners]) segments.push(...edges[a], ...edges[b]);
    }
  }
  return segments;
}

// The edges (top, right, bottom, left) that the line connects, by the corners that reach the
// threshold: top left 1, top right 2, bottom right 4, bottom left 8. Opposite corners are joined.
const CROSSED = [
  [], [[0, 3]], [[0, 1]], [[1, 3]], [[1, 2]], [[0, 1], [2, 3]], [[0, 2]], [[2, 3]],
  [[2, 3]], [[0, 2]], [[0, 3], [1, 2]], [[1, 2]], [[1, 3]], [[0, 1]], [[0, 3]], [],
];
