/** Regions of a map, with the numbers of `seewhy.imaging.regions` in Python. */
import { SMALLEST_MAXIMUM } from "./constants.js";
import { evidence, strongest } from "./map.js";

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
  const high = sorted[Math.min(index + 1, sorted.length - 1)];
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
    const step = Math.fround(share * OTSU_STEPS);
    const rounded = Math.round(step);
    histogram[rounded - step === 0.5 && rounded % 2 ? rounded - 1 : rounded] += 1;
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
 * Return the threshold that a rule gives for a map, in its unit; 0 without evidence.
 * A rule of kind "value" is the threshold itself.
 */
export function resolveThreshold(values, rule, polarity = "positive") {
  const { shares, maximum } = sharesOf(values, polarity);
  if (rule.kind === "value") return rule.value;
  return maximum ? thresholdShare(shares, rule) * maximum : 0;
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

/** Count, for each pixel of an axis and its end, the cells whose centers lie before it. */
function cellsBefore(cells, pixels) {
  const before = new Int32Array(pixels + 1);
  for (let cell = 0; cell < cells; cell++) before[Math.floor(((cell + 0.5) * pixels) / cells) + 1]++;
  for (let n = 0; n < pixels; n++) before[n + 1] += before[n];
  return before;
}

/** Return the strongest cell whose center is in a component, or null. */
function strongestCell(runs, { shares, mapWidth }, rows, columns) {
  let best = null;
  for (const { y, first, end } of runs) {
    for (let row = rows[y]; row < rows[y + 1]; row++) {
      for (let column = columns[first]; column < columns[end]; column++) {
        const index = row * mapWidth + column;
        const score = Math.abs(shares[index]);
        if (best && (score < best.score || (score === best.score && index > best.index))) continue;
        best = { score, index, row, column };
      }
    }
  }
  return best;
}

function describe(component, pixels, sizePx, cells, total) {
  const { left, right, top, bottom, areaPx } = component;
  let [sum, score, x, y] = [0, -1, 0, 0];
  for (const run of component.runs) {
    for (let n = run.first; n < run.end; n++) {
      const value = Math.abs(pixels[run.y * sizePx.widthPx + n]);
      sum += value;
      if (value > score) [score, x, y] = [value, n, run.y];
    }
  }
  let peak = { x: x + 0.5, y: y + 0.5 };
  const cell = cells && strongestCell(component.runs, cells, cells.rows, cells.columns);
  if (cell) {
    score = cell.score;
    peak = {
      x: ((cell.column + 0.5) * sizePx.widthPx) / cells.mapWidth,
      y: ((cell.row + 0.5) * sizePx.heightPx) / cells.mapHeight,
    };
  }
  const box = { x: left, y: top, width: right - left, height: bottom - top };
  return { box, areaPx, peak, score, share: Math.min(sum / total, 1) };
}

/**
 * Find the connected parts of an enlarged map that reach a threshold.
 *
 * Boxes and peaks are in pixels of the array. With `cells`, a peak is the center of the region's
 * strongest cell and the score its value; otherwise those of its strongest pixel.
 * @param {Float32Array} pixels heightPx × widthPx, evidence or its shares of the strongest
 * @param {number} threshold in the unit of `pixels`
 * @param {number} count how many regions are described, largest first
 * @param {{shares: Float32Array, mapHeight: number, mapWidth: number}|null} cells
 * @returns {{found: number, areaPx: number, massShare: number, regions: object[]}} `areaPx` and
 *   `massShare` count every pixel that reaches the threshold
 */
export function findRegions(pixels, sizePx, threshold, count, cells = null) {
  const { runs, areaPx, mass, total } = findRuns(pixels, sizePx, threshold);
  const ranked = rank(runs, sizePx.widthPx);
  const centers = cells && {
    ...cells,
    rows: cellsBefore(cells.mapHeight, sizePx.heightPx),
    columns: cellsBefore(cells.mapWidth, sizePx.widthPx),
  };
  return {
    found: ranked.length,
    areaPx,
    massShare: total ? Math.min(mass / total, 1) : 0,
    regions: ranked
      .slice(0, count)
      .map((component) => describe(component, pixels, sizePx, centers, total)),
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
