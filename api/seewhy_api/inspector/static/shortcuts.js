import { copyText } from "./downloads.js";
import { COLORMAPS } from "./view.js";

const MODES = ["heat", "contour", "mask"];
const POLARITIES = ["positive", "negative", "signed"];
const after = (list, value) => list[(list.indexOf(value) + 1) % list.length];

/** Return the keys that change how a map is shown. `screen` has `map`, `values` and `set`. */
export function viewKeys(screen) {
  const opacity = (change) => {
    const value = Math.round(20 * (screen.values.opacity + change)) / 20;
    screen.set({ opacity: Math.min(Math.max(value, 0), 1) });
  };
  const hide = (hidden) => (screen.map.view = { ...screen.map.view, hidden });
  return [
    { keys: [" "], label: "Hold to hide the map", run: () => hide(true), release: () => hide(screen.values.hidden) },
    { keys: ["h"], label: "Hide or show the map", run: () => screen.set({ hidden: !screen.values.hidden }) },
    { keys: ["["], label: "Less opacity", run: () => opacity(-0.1) },
    { keys: ["]"], label: "More opacity", run: () => opacity(0.1) },
    { keys: ["-"], label: "Lower threshold", run: () => screen.set({ threshold: moved(screen, -1) }) },
    { keys: ["="], label: "Higher threshold", run: () => screen.set({ threshold: moved(screen, 1) }) },
    { keys: ["m"], label: "Heat, outline or cut-out", run: () => screen.set({ mode: after(MODES, screen.values.mode) }, true) },
    { keys: ["g"], label: "Smooth or cells", run: () => screen.set({ cells: !screen.values.cells }) },
    { keys: ["c"], label: "Next colors", run: () => screen.set({ colormap: after(COLORMAPS, screen.values.colormap) }) },
    { keys: ["p"], label: "Evidence for, against or both", run: () => screen.set({ polarity: after(POLARITIES, screen.values.polarity) }, true) },
    { keys: ["+"], label: "Zoom in", run: () => screen.map.zoomBy(1.5) },
    { keys: ["0"], label: "Whole photo", run: () => screen.map.fit() },
  ];
}

/** Return the keys of the screen of an explanation. */
export function inspectKeys(screen, files, { announce, location, sequence } = {}) {
  const neighbor = (step) => {
    const ids = sequence ?? [];
    const next = ids[ids.indexOf(location.current.ids[0]) + step];
    if (next && ids.includes(location.current.ids[0])) location.go(`#/e/${next}`);
  };
  return [
    ...viewKeys(screen),
    { keys: ["ArrowUp"], label: "Class above", run: () => screen.step(-1) },
    { keys: ["ArrowDown"], label: "Class below", run: () => screen.step(1) },
    { keys: "123456789".split(""), label: "Class by its number", run: ({ key }) => screen.chooseRow(key - 1) },
    { keys: ["v"], label: "Compare with the next class", run: () => screen.compareNext() },
    { keys: ["d"], label: "Download the image", run: () => files.image() },
    { keys: ["y"], label: "Copy the link", run: () => copyText(location.href, announce) },
    { keys: ["ArrowLeft"], label: "Explanation before", run: () => neighbor(-1) },
    { keys: ["ArrowRight"], label: "Explanation after", run: () => neighbor(1) },
    { keys: ["Escape"], label: "Back to all explanations", run: () => location.go("#/") },
  ];
}

/** Return the threshold a step of one fiftieth higher or lower, by its own rule. */
function moved({ values, map }, direction) {
  const rule = values.threshold;
  if (rule.kind === "percentile") return { kind: "percentile", value: clamp(rule.value + 2 * direction, 100) };
  const maximum = map.scale || 1;
  if (rule.kind === "value") return { kind: "value", value: clamp(rule.value + (maximum / 50) * direction, Infinity) };
  const from = rule.kind === "fraction" ? rule.value : (map.thresholdValue ?? 0) / maximum;
  return { kind: "fraction", value: clamp(from + direction / 50, 1) };
}

function clamp(value, highest) {
  return Number(Math.min(Math.max(value, 0), highest).toPrecision(4));
}
