import { el, listOf } from "./elements.js";
import { evidence, formatNumber, formatPercent } from "./viewer.js";

const BINS = 40;
const KINDS = [
  ["fraction", "of the maximum"],
  ["percentile", "of the cells"],
  ["value", "as a value"],
  ["otsu", "Otsu's"],
  ["off", "off"],
];

/**
 * The threshold: its rule, a slider below a histogram of the cells, and what lies above it.
 *
 * @param {function(Object): void} set Called with the changed values of the view.
 */
export function threshold(set) {
  const bars = Array.from({ length: BINS }, () => el("i"));
  const histogram = el("div", { class: "histogram", "aria-hidden": "true" }, bars);
  const input = el("input", { type: "range", min: 0, "aria-label": "Threshold", oninput: () =>
    set({ threshold: { kind: kinds.value, value: Number(input.value) } }) });
  const kinds = listOf(KINDS, (kind) => {
    const { maximum } = strengths(map);
    const value = map.thresholdValue ?? 0;
    const known = { fraction: value / (maximum || 1), percentile: 80, value };
    set({ threshold: kind in known ? { kind, value: Number(known[kind].toPrecision(3)) } : { kind } });
  }, { "aria-label": "Rule of the threshold" });
  const output = el("span", { class: "value" });
  const words = el("p", { class: "muted", role: "note" });
  let map = null;
  let drawn = null;
  const top = (kind) => ({ fraction: 1, percentile: 100 })[kind] ?? (strengths(map).maximum || 1);

  return {
    element: el("div", { class: "threshold" },
      el("div", { class: "line" }, el("span", {}, "Threshold"), output, kinds), histogram, input, words),
    show(values, shown) {
      map = shown;
      const rule = values.threshold;
      const isFree = rule.kind === "otsu" || rule.kind === "off";
      kinds.value = rule.kind;
      input.disabled = isFree;
      input.max = top(rule.kind);
      input.step = rule.kind === "percentile" ? 1 : Number(input.max) / 200;
      const limit = map.thresholdValue;
      const { sizes, maximum } = strengths(map);
      input.value = rule.kind === "fraction" || isFree ? (maximum ? ((limit ?? 0) / maximum) * input.max : 0) : rule.value;
      output.textContent = isFree ? "" : rule.kind === "value" ? formatNumber(rule.value) : formatPercent(rule.value / top(rule.kind));
      words.textContent = limit === null ? "Everything is shown."
        : `≥ ${formatNumber(limit)}: ${formatPercent(map.massShare)} of the evidence in ${formatPercent(map.areaShare)} of the image`;
      input.setAttribute("aria-valuetext", `${output.textContent} ${words.textContent}`);
      if (drawn !== sizes) draw(bars, sizes, maximum);
      drawn = sizes;
      bars.forEach((bar, n) => bar.classList.toggle("over", limit !== null && ((n + 1) / BINS) * maximum > limit));
    },
  };
}

const computed = { values: null, polarity: null, result: null };

/** The evidence of each cell without its sign, computed once for each map. */
function strengths({ values, view: { polarity } }) {
  if (computed.values !== values || computed.polarity !== polarity) {
    const sizes = evidence(values, polarity).map(Math.abs);
    const maximum = sizes.reduce((largest, size) => Math.max(largest, size), 0);
    Object.assign(computed, { values, polarity, result: { sizes, maximum } });
  }
  return computed.result;
}

function draw(bars, sizes, maximum) {
  const counts = bars.map(() => 0);
  for (const size of sizes) {
    if (size > 0) counts[Math.min(Math.floor((size / maximum) * BINS), BINS - 1)]++;
  }
  const most = Math.max(...counts, 1);
  bars.forEach((bar, n) => (bar.style.height = `${(100 * counts[n]) / most}%`));
}
