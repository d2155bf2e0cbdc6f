/** Sentences and numbers for people. Rows and columns are counted from 1 in them. */

const SPACE = "\u00a0";

/** Write a number with three significant digits, or a dash when it is not finite. */
export function formatNumber(value) {
  if (value === null || !Number.isFinite(value)) return "–";
  return String(Number(value.toPrecision(3))).replace(/-/g, "−");
}

/** Write a share of 1 as a percentage. */
export function formatPercent(share) {
  if (share === null || !Number.isFinite(share)) return "–";
  const percent = 100 * share;
  const small = percent > 0 && percent < 10 && Math.abs(percent - Math.round(percent)) >= 0.05;
  if (percent > 0 && percent < 0.1) return `<${SPACE}0.1${SPACE}%`;
  return `${small ? percent.toFixed(1) : Math.round(percent)}${SPACE}%`;
}

/** Write the probability of a class, else the value of an output or the logit of a class. */
export function formatScore({ probability, value, logit }) {
  return probability === null ? formatNumber(value ?? logit) : formatPercent(probability);
}

const VERDICTS = {
  ok: "",
  all_negative: "No place speaks for this class: every value is negative. "
    + "Show the evidence against it instead.",
  zero_gradient: "The gradient of this class is zero at the layer, so the map says nothing.",
  constant: "Every cell has the same value, so the map points to no place.",
  not_finite: "Some values are not finite. Their cells are hatched, and the rest is unreliable.",
};

/** Say what is wrong with a map; empty for `ok`. */
export function verdictWords(verdict) {
  return VERDICTS[verdict] ?? "The verdict of this map is unknown.";
}

/**
 * Say why a map is not to be trusted, or return the empty text.
 * @param {object} target of the result
 * @param {string} polarity an all-negative map is a good map of the evidence against a class
 */
export function flagWords(target, polarity) {
  if (target.verdict !== "ok" && !(target.verdict === "all_negative" && polarity !== "positive")) {
    return verdictWords(target.verdict);
  }
  const times = target.trust?.times_better_than_chance;
  return Number.isFinite(times) && times < 1
    ? "A random map predicts the probability of this class better than this map."
    : "";
}

const third = (position, names) => names[Math.min(2, Math.max(0, Math.floor(3 * position)))];

/** Say where a point lies, by thirds of the image: "top left", "center". */
export function placeWords(x, y, widthPx, heightPx) {
  const across = third(x / widthPx, ["left", "center", "right"]);
  const down = third(y / heightPx, ["top", "center", "bottom"]);
  return across === down ? "center" : `${down} ${across}`;
}

function range(word, first, last) {
  return first === last ? `${word} ${first + 1}` : `${word}s ${first + 1}–${last + 1}`;
}

/**
 * Describe a map in one sentence.
 *
 * `box` is that of the strongest region and `peak` its strongest cell, `[row, column]`;
 * `areaShare` and `massShare` are those of all pixels that reach the threshold.
 * @param {{mapHeight: number, mapWidth: number, covers: object, imageWidthPx: number,
 *   imageHeightPx: number, box: object|null, areaShare: number, massShare: number,
 *   negativeShare: number, polarity: string}} map box in pixels of the image
 */
export function describeMap(map) {
  const { covers, box, polarity } = map;
  const negative = `${formatPercent(map.negativeShare)} negative`;
  if (!box) {
    const side = { positive: " for this class", negative: " against this class" }[polarity] ?? "";
    return `No evidence${side}; ${negative}.`;
  }
  // The cells whose centers lie in the box; at least the one in its middle.
  const cells = (start, length, origin, extent, count) => {
    const [from, to] = [start - origin, start + length - origin].map((at) => (at / extent) * count);
    const [first, last] = [Math.ceil(from - 0.5), Math.ceil(to - 0.5) - 1];
    const middle = Math.min(count - 1, Math.max(0, Math.floor((from + to) / 2)));
    return first <= last ? [Math.max(0, first), Math.min(count - 1, last)] : [middle, middle];
  };
  const rows = cells(box.y, box.height, covers.y, covers.height, map.mapHeight);
  const columns = cells(box.x, box.width, covers.x, covers.width, map.mapWidth);
  const place = placeWords(
    box.x + box.width / 2, box.y + box.height / 2, map.imageWidthPx, map.imageHeightPx);
  return `Highest in ${range("row", ...rows)}, ${range("column", ...columns)}, ${place}; `
    + `${formatPercent(map.massShare)} of the evidence in ${formatPercent(map.areaShare)} `
    + `of the image; ${negative}.`;
}
