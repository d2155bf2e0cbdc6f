/** Elements and controls of a page that is made by a script. */
import { DIVERGING } from "./constants.js";
import { el, field } from "./elements.js";
import { colorTable } from "./color.js";

/** A list of `[value, name]`; `change` gets the value that a person chooses. */
export function select(text, options, chosen, change) {
  const list = el("select", { onchange: () => change(options[list.selectedIndex][0]) });
  list.append(...options.map(([, name]) => el("option", {}, name)));
  list.selectedIndex = Math.max(0, options.findIndex(([value]) => value === chosen));
  return field(text, list);
}

/** A range from 0 to 100 percent. */
export function slider(text, value, input) {
  const range = el("input", { type: "range", min: 0, max: 100, step: 1, value });
  const write = () => range.setAttribute("aria-valuetext", `${range.value} percent`);
  range.addEventListener("input", () => {
    write();
    input(Number(range.value));
  });
  write();
  return field(text, range);
}

/** Paint the colors of a legend, from no evidence to the strongest, on a canvas of 256 × 1. */
export function paintRamp(ramp, name, polarity) {
  if (ramp.dataset.shown === name + polarity) return;
  ramp.dataset.shown = name + polarity;
  const colors = colorTable(name);
  const [from, to] = { signed: [1, 255], positive: [128, 255], negative: [128, 1] }[polarity];
  const context = ramp.getContext("2d");
  const image = context.createImageData(256, 1);
  for (let n = 0; n < 256; n++) {
    const step = name === DIVERGING ? Math.round(from + ((to - from) * n) / 255) : n;
    for (let part = 0; part < 3; part++) image.data[4 * n + part] = colors[3 * step + part];
    image.data[4 * n + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
