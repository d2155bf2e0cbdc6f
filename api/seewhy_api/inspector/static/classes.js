import { el, field, listOf } from "./elements.js";
import { labelOf } from "./view.js";
import { colorize, enlarge, evidence, formatNumber, formatScore, isPlain, strongest } from "./viewer.js";

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
  const plain = data.targets.filter(isPlain).map(({ score }) => score);
  const others = data.top.filter(({ index }) => plain.every((score) => score.index !== index)).map((score) =>
    el("li", {}, el("button", { class: "class", onclick: () => actions.explain(score.index) },
      el("span", { class: "empty" }), name(score.label, score.probability), el("span", { class: "muted" }, "Explain"))));
  const rival = listOf([["", "no other class"], ...plain.map(({ index, label }) => [index, label])], (index) => actions.compare(index || null));
  const note = el("p", { class: "muted" });
  const list = el("ol", { class: "classes" });
  const title = el("h2", {}, "Classes");
  const order = (at) => rows.toSorted((one, other) => (at
    ? at.values[other.position] - at.values[one.position]
    : (other.target.score.probability ?? 0) - (one.target.score.probability ?? 0) || one.position - other.position));
  let sorted = [];
  const sort = (next) => {
    if (next.every((each, n) => each === sorted[n])) return;
    sorted = next;
    list.prepend(...next.map(({ element }) => element));
    next.forEach(({ element }, n) => (element.firstChild.title = n < 9 ? `Key ${n + 1}` : ""));
  };
  list.append(...others);
  sort(order());

  return {
    element: el("section", {}, title, list, plain.length > 1 && [field("Why this class and not", rival), note]),
    note,
    /** The positions of the targets, as the list shows them. */
    get positions() {
      return sorted.map(({ position }) => position);
    },
    show(values, map) {
      const { chosen, polarity } = map.view;
      const shown = chosen.contrast?.[0] ?? chosen;
      const key = `${polarity} ${values.colormap} ${values.scale} ${Boolean(chosen.contrast)}`;
      for (const each of rows) {
        each.element.firstChild.setAttribute("aria-pressed", each.position === shown);
        each.paint(key, data, map);
      }
      for (const option of rival.options) option.disabled = option.value === String(data.targets[shown].score.index);
      rival.value = chosen.contrast ? values.vs : "";
    },
    /** Show what a cell says for each class; sort by it when the cell is pinned. */
    point(cell, isPinned, scale) {
      title.textContent = cell ? `Classes at row ${cell.row + 1}, column ${cell.column + 1}` : "Classes";
      for (const each of rows) each.point(cell?.values[each.position], scale);
      sort(order(isPinned && cell));
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
      if (painted !== key) paintTiny(canvas, data, position, map);
      painted = key;
    },
    point(value, scale) {
      here.textContent = value === undefined ? "" : formatNumber(value);
      here.classList.toggle("against", value < 0);
      here.style.setProperty("--share", Math.min(Math.abs(value ?? 0) / (scale || 1), 1));
    },
  };
}

function paintTiny(canvas, { maps, mapHeight, mapWidth }, position, map) {
  const { polarity, colormap } = map.view;
  const pixels = enlarge(evidence(maps[position], polarity), { height: mapHeight, width: mapWidth },
    { heightPx: SIDE_PX, widthPx: SIDE_PX });
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE_PX, SIDE_PX);
  const scale = map.view.scale === "class" || map.view.chosen.contrast ? strongest(pixels) : map.scale;
  colorize(pixels, { scale, polarity, colormap }, image);
  context.putImageData(image, 0, 0);
}
