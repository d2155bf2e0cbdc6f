import { el } from "./elements.js";
import { labelOf } from "./view.js";
import { colorize, enlarge, evidence, formatNumber, formatScore, isPlain } from "./viewer.js";

const SIDE_PX = 36;

/**
 * The classes by score, each with its map; those without a map can be asked for.
 *
 * @param {{targets: Object[], top: Object[], maps: Float32Array[], mapHeight: number,
 *   mapWidth: number}} data
 * @param {{choose: function(number): void, compare: function(string|null): void,
 *   explain: function(number): void}} actions
 */
export function classes(data, actions) {
  const rows = data.targets.map((target, position) => row(target, position, actions));
  const known = new Set(data.targets.filter(isPlain).map(({ score }) => score.index));
  const others = data.top.filter(({ index }) => !known.has(index)).map((score) =>
    el("li", {}, el("button", { class: "class", onclick: () => actions.explain(score.index) },
      el("span", { class: "empty" }), name(score.label, score.probability), el("span", { class: "muted" }, "Explain"))));
  const rivals = data.targets.filter(isPlain).map(({ score }) => el("option", { value: score.index }, score.label));
  const rival = el("select", { onchange: () => actions.compare(rival.value || null) },
    el("option", { value: "" }, "no other class"), rivals);
  const note = el("p", { class: "muted" });
  const list = el("ol", { class: "classes" });
  const title = el("h2", {}, "Classes");
  const order = (at) => rows.toSorted((one, other) => (at
    ? at.values[other.position] - at.values[one.position]
    : (other.target.score.probability ?? 0) - (one.target.score.probability ?? 0) || one.position - other.position));
  let sorted = order(null);
  const number = () => sorted.forEach(({ element }, n) => (element.firstChild.title = n < 9 ? `Key ${n + 1}` : ""));
  number();
  list.append(...sorted.map(({ element }) => element), ...others);

  return {
    element: el("section", {}, title, list, rivals.length > 1 &&
      el("div", { class: "rival" }, el("label", { class: "field" }, el("span", {}, "Why this class and not"), rival), note)),
    note,
    /** The positions of the targets, as the list shows them. */
    get positions() {
      return sorted.map(({ position }) => position);
    },
    show(values, map) {
      const { chosen, polarity } = map.view;
      const shown = chosen.contrast?.[0] ?? chosen;
      rows.forEach((each) => each.element.firstChild.setAttribute("aria-pressed", each.position === shown));
      const { index } = data.targets[shown].score;
      rivals.forEach((option) => (option.disabled = Number(option.value) === index));
      rival.value = chosen.contrast ? values.vs : "";
      const key = `${polarity} ${values.colormap} ${values.scale} ${Boolean(chosen.contrast)}`;
      rows.forEach((each) => each.paint(key, data, map));
    },
    /** Show what a cell says for each class; sort by it when the cell is pinned. */
    point(cell, isPinned, scale) {
      title.textContent = cell ? `Classes at row ${cell.row + 1}, column ${cell.column + 1}` : "Classes";
      rows.forEach((each) => each.point(cell?.values[each.position] ?? null, scale));
      const next = order(isPinned ? cell : null);
      if (next.some((each, n) => each !== sorted[n])) {
        sorted = next;
        list.prepend(...sorted.map(({ element }) => element));
        number();
      }
    },
  };
}

function name(label, probability) {
  const bar = el("i", { class: "share" });
  bar.style.inlineSize = `${100 * (probability ?? 0)}%`;
  return el("span", { class: "name" }, el("span", {}, label), bar);
}

function row(target, position, actions) {
  const canvas = el("canvas", { width: SIDE_PX, height: SIDE_PX, "aria-hidden": "true" });
  const here = el("span", { class: "here" });
  const percent = el("span", {}, formatScore(target.score));
  const element = el("li", {}, el("button", { class: "class", "aria-pressed": "false", onclick: () => actions.choose(position) },
    canvas, name(labelOf(target), target.score.probability), el("span", { class: "numbers" }, percent, here)));
  let painted = null;
  return {
    element, target, position,
    paint(key, data, map) {
      if (painted === key) return;
      painted = key;
      paintTiny(canvas, data, position, map);
    },
    point(value, scale) {
      here.textContent = value === null ? "" : formatNumber(value);
      here.classList.toggle("against", value < 0);
      here.style.setProperty("--share", value === null || !scale ? 0 : Math.min(Math.abs(value) / scale, 1));
    },
  };
}

function paintTiny(canvas, { maps, mapHeight, mapWidth }, position, map) {
  const { polarity, colormap } = map.view;
  const pixels = enlarge(evidence(maps[position], polarity), { height: mapHeight, width: mapWidth },
    { heightPx: SIDE_PX, widthPx: SIDE_PX });
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE_PX, SIDE_PX);
  const scale = map.view.scale === "class" || map.view.chosen.contrast
    ? pixels.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) : map.scale;
  colorize(pixels, { scale, polarity, colormap }, image);
  context.putImageData(image, 0, 0);
}
