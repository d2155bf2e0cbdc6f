import { copyText } from "./downloads.js";
import { ONE_SIGN_COLORMAPS } from "./view.js";

const MODES = ["heat", "contour", "mask"];
const POLARITIES = ["positive", "negative", "signed"];
const after = (list, value) => list[(list.indexOf(value) + 1) % list.length];
const clamp = (value, highest) => Number(Math.min(Math.max(value, 0), highest).toPrecision(4));

/** Return the keys that change how a map is shown. `screen` has `map`, `values` and `set`. */
export function viewKeys(screen) {
  const next = (name, list) => screen.set({ [name]: after(list, screen.values[name]) }, true);
  const opacity = (change) => screen.set({ opacity: clamp(screen.values.opacity + change, 1) });
  const hide = (hidden) => (screen.map.view = { ...screen.map.view, hidden });
  const threshold = (direction) => screen.set({ threshold: moved(screen, direction) });
  return [
    [" ", "Hold to hide the map", () => hide(true), () => hide(screen.values.hidden)],
    ["h", "Hide or show the map", () => screen.set({ hidden: !screen.values.hidden })],
    ["[", "Less opacity", () => opacity(-0.1)],
    ["]", "More opacity", () => opacity(0.1)],
    ["-", "Lower threshold", () => threshold(-1)],
    ["=", "Higher threshold", () => threshold(1)],
    ["m", "Heat, outline or cut-out", () => next("mode", MODES)],
    ["g", "Smooth or cells", () => next("cells", [false, true])],
    ["c", "Next colors", () => next("colormap", ONE_SIGN_COLORMAPS)],
    ["p", "Evidence for, against or both", () => next("polarity", POLARITIES)],
    ["+", "Zoom in", () => screen.map.zoomBy(1.5)],
    ["0", "Whole photo", () => screen.map.fit()],
  ];
}

/** Return the keys of the screen of an explanation. */
export function inspectKeys(screen, files, { announce, location, sequence }) {
  const neighbor = (step) => {
    const at = sequence.indexOf(location.current.ids[0]);
    const next = sequence[at + step];
    if (at >= 0 && next) location.go(`#/e/${next}`);
  };
  return [
    ...viewKeys(screen),
    ["ArrowUp", "Class above", () => screen.step(-1)],
    ["ArrowDown", "Class below", () => screen.step(1)],
    ["1–9", "Class by its number", ({ key }) => screen.chooseRow(key - 1)],
    ["v", "Compare with the next class", () => screen.compareNext()],
    ["d", "Download the image", () => files.image()],
    ["y", "Copy the link", () => copyText(location.href, announce)],
    ["ArrowLeft", "Explanation before", () => neighbor(-1)],
    ["ArrowRight", "Explanation after", () => neighbor(1)],
    ["Escape", "Back to all explanations", () => location.go("#/")],
  ];
}

/** Return the threshold a step of one fiftieth higher or lower, by its own rule. */
function moved({ values: { threshold: { kind, value } }, map }, direction) {
  const step = (highest, unit) => ({ kind, value: clamp(value + (direction * unit) / 50, highest) });
  if (kind === "percentile") return step(100, 100);
  const maximum = map.scale || 1;
  if (kind === "value") return step(Infinity, maximum);
  return { kind: "fraction", value: clamp((kind === "fraction" ? value : map.thresholdValue / maximum) + direction / 50, 1) };
}
