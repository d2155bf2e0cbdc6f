import { el, fill } from "./elements.js";
import { inputWords } from "./inputs.js";
import { formatNumber, formatPercent } from "./viewer.js";

const MAX_TABLE_CELLS = 1024;
const TRUST = [
  ["times_better_than_chance", "Better than a random map", (value) => `${formatNumber(value)} times`],
  ["insertion", "Insertion (higher is better)", formatNumber],
  ["deletion", "Deletion (lower is better)", formatNumber],
  ["drop", "Probability lost with only the evidence visible", formatPercent],
  ["increase", "Probability rises with only the evidence visible", (value) => (value ? "yes" : "no")],
  ["pointing_hit", "Strongest cell in the box", (value) => (value ? "yes" : "no")],
  ["energy_in_box", "Evidence in the box", formatPercent],
];

/** A list of terms and what they are; without those that are missing. */
function terms(pairs) {
  return el("dl", { class: "terms" }, pairs.filter(([, value]) => value != null && value !== "").map(([term, value]) =>
    [el("dt", {}, term), el("dd", {}, value)]));
}

/** The trust scores of the shown map, or a button that asks for them. */
export function trust(ask) {
  const body = el("div", {});
  let drawn;
  return {
    element: el("section", {}, el("h2", {}, "Trust"), body),
    show(values, { data, view: { chosen } }) {
      const target = data.targets[chosen.contrast ? chosen.contrast[0] : chosen];
      if (drawn === target) return;
      drawn = target;
      fill(body, target.trust ? terms(TRUST.map(([key, term, write]) => [term, target.trust[key] == null ? null : write(target.trust[key])]))
        : [el("p", { class: "muted" }, "Not measured."),
          el("button", { onclick: () => ask(target) }, "Measure it")]);
    },
  };
}

/** What made the maps: model, method, layer, versions and times. */
export function receipt(record) {
  const { result } = record;
  const seconds = Object.entries(result.timings_ms).map(([step, ms]) => `${step.replaceAll("_", " ")} ${formatNumber(ms)} ms`);
  const versions = Object.entries(result.versions).map(([part, version]) => `${part} ${version}`);
  const body = el("div", {});
  return {
    element: el("details", {}, el("summary", {}, "Receipt"), body),
    show(values, { data }) {
      fill(body, terms([
        ["Model", record.model], ["Weights", el("code", {}, result.model_digest)],
        ["Method", data.method], ["Layer", data.layer], ["Score", result.score], ["Inputs", inputWords(record.inputs)],
        ["Photo", `${result.image_width_px} × ${result.image_height_px} px`],
        ["Times", seconds.join(", ")], ["Versions", versions.join(", ")],
        ["Finished", record.finished_at], ["Id", el("code", {}, record.id)], ["Image id", el("code", {}, record.image_id)],
      ]));
    },
  };
}

/** The numbers of the map as a table, built when it is opened. */
export function table() {
  const body = el("div", { class: "scroll" });
  let map = null;
  let drawn = null;
  const draw = () => {
    if (!element.open || !map || drawn === map.values) return;
    drawn = map.values;
    const { mapHeight, mapWidth } = map.data;
    if (mapHeight * mapWidth > MAX_TABLE_CELLS) {
      fill(body, el("p", {}, `The map has ${mapHeight} × ${mapWidth} values. The file map.npy holds them.`));
      return;
    }
    const columns = Array.from({ length: mapWidth }, (_, column) => column);
    const head = el("tr", {}, el("td", {}), columns.map((column) => el("th", { scope: "col" }, column + 1)));
    const rows = Array.from({ length: mapHeight }, (_, row) => el("tr", {}, el("th", { scope: "row" }, row + 1),
      columns.map((column) => el("td", {}, formatNumber(map.values[row * mapWidth + column])))));
    fill(body, el("table", {}, el("caption", { class: "hidden-text" }, "Values of the map by row and column"), el("thead", {}, head), el("tbody", {}, rows)));
  };
  const element = el("details", { ontoggle: draw }, el("summary", {}, "Map as a table"), body);
  return {
    element,
    show(values, shown) {
      map = shown;
      draw();
    },
  };
}
