/** Sentences and numbers for people. Rows and columns are counted from 1 in them. */
import { VERDICTS, WORSE_THAN_CHANCE } from "./constants.js";

const SPACE = "\u00a0";

/** Write a number with three significant digits, or a dash when it is not finite. */
export function formatNumber(value) {
  if (!Number.isFinite(value)) return "–";
  return String(Number(value.toPrecision(3))).replace(/-/g, "−");
}

/** Write a share of 1 as a percentage. */
export function formatPercent(share) {
  if (!Number.isFinite(share)) return "–";
  const percent = 100 * share;
  if (percent > 0 && percent < 0.1) return `<${SPACE}0.1${SPACE}%`;
  return `${percent < 10 ? Number(percent.toFixed(1)) : Math.round(percent)}${SPACE}%`;
}

/** Write the probability of a class, else the value of an output or the logit of a class. */
export function formatScore({ probability, value, logit }) {
  return probability === null ? formatNumber(value ?? logit) : formatPercent(probability);
}

/**
 * Say why a map is not to be trusted, or return the empty text.
 * @param {object} target of the result
 * @param {string} polarity an all-negative map is a good map of the evidence against a class
 */
export function flagWords({ verdict, trust }, polarity) {
  const isGood = verdict === "all_negative" && polarity !== "positive";
  const words = isGood ? "" : VERDICTS[verdict] ?? "The verdict of this map is unknown.";
  return words || ((trust?.times_better_than_chance ?? 1) < 1 ? WORSE_THAN_CHANCE : "");
}

/** Say where a point lies, by thirds of the image: "top left", "center". */
export function placeWords(x, y, widthPx, heightPx) {
  const across = ["left", "center", "right"][Math.floor((3 * x) / widthPx)];
  const down = ["top", "center", "bottom"][Math.floor((3 * y) / heightPx)];
  return across === down ? "center" : `${down} ${across}`;
}

/**
 * Describe a map in one sentence.
 *
 * `box` is that of the strongest region; `areaShare` and `massShare` are those of all pixels that
 * reach the threshold.
 * @param {{mapHeight: number, mapWidth: number, covers: object, imageWidthPx: number,
 *   imageHeightPx: number, box: object|undefined, areaShare: number, massShare: number,
 *   negativeShare: number, polarity: string}} map box in pixels of the image
 */
export function describeMap(map) {
  const { covers, box, polarity } = map;
  const negative = `${formatPercent(map.negativeShare)} negative.`;
  if (!box) {
    const side = { positive: " for this class", negative: " against this class" }[polarity] ?? "";
    return `No evidence${side}; ${negative}`;
  }
  // The cells whose centers lie in the box; at least the one in its middle.
  const cells = (word, axis, length, count) => {
    const cellAt = (place) => ((place - covers[axis]) / covers[length]) * count;
    const first = Math.ceil(cellAt(box[axis]) - 0.5);
    const last = Math.ceil(cellAt(box[axis] + box[length]) - 0.5);
    if (last - first > 1) return `${word}s ${first + 1}–${last}`;
    return `${word} ${last > first ? last : Math.floor(cellAt(box[axis] + box[length] / 2)) + 1}`;
  };
  const place = placeWords(
    box.x + box.width / 2, box.y + box.height / 2, map.imageWidthPx, map.imageHeightPx);
  return `Highest in ${cells("row", "y", "height", map.mapHeight)}, `
    + `${cells("column", "x", "width", map.mapWidth)}, ${place}; ${formatPercent(map.massShare)} of `
    + `the evidence in ${formatPercent(map.areaShare)} of the image; ${negative}`;
}
