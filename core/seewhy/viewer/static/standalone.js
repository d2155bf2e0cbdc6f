/** The page of one explanation in a file: everything that it shows is in the file. */
import { COLORMAPS } from "./constants.js";
import { colormapFor } from "./color.js";
import { el, fill } from "./elements.js";
import { paintRamp, select, slider } from "./form.js";
import { decodeNpy, evidence, strongest } from "./map.js";
import { formatNumber, formatPercent, formatScore } from "./words.js";
import "./seewhy-map.js";

const MAX_TABLE_CELLS = 1024;
const CAVEAT = "The map shows which places speak for the class in this network. "
  + "It does not show that the class is right.";
const stored = JSON.parse(document.getElementById("explanation").textContent);
const photoUrl = document.getElementById("photo")?.src ?? null;
const { result } = stored;
const sets = [result, ...result.other_maps];
const maps = stored.maps.map((text) =>
  decodeNpy(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)).buffer));
const { set: firstSet = 0, target: firstTarget = 0, ...firstView } = stored.view;
const state = { set: firstSet, target: firstTarget, rival: -1 };
const view = {
  polarity: "positive", colormap: "inferno", opacity: 0.6, threshold: null, mode: "heat",
  cells: false, gray: true, boxes: "none", scale: "image", hidden: false, showFlagged: false,
  ...firstView,
};
if (!(view.colormap in COLORMAPS)) view.colormap = "inferno";

const map = el("seewhy-map");
const heading = el("h1");
const subtitle = el("p", { class: "muted" });
const flag = el("p", { class: "flag", hidden: true });
const readout = el("p", { class: "readout muted" });
const spoken = el("p", { class: "unseen", role: "status" });
const ramp = el("canvas", { width: 256, height: 1, "aria-hidden": "true" });
const [lowest, highest] = [el("span"), el("span")];
const scaleNote = el("span", { class: "muted" });
const legend = el("div", { class: "legend" }, lowest, ramp, highest, scaleNote);
const sentence = el("p");
const caption = el("p", { class: "muted" });
const classes = el("fieldset");
const rivals = el("div");
const thresholdText = el("output");
const table = el(
  "details", { ontoggle: () => fillTable() }, el("summary", {}, "The map as a table"));
let tabulated = null;

const lists = {};

const shownSet = () => sets[state.set];
const shownTarget = () => shownSet().targets[state.target];

function classText({ score, rivals: others, against }) {
  const versus = others?.length ? `, not ${others.map(({ label }) => label).join(", ")}` : "";
  return `${against ? "against " : ""}${score.label}${versus}`;
}

function choice(text, name, options) {
  const made = select(text, options, view[name], (value) => show({ [name]: value }));
  lists[name] = made.querySelector("select");
  return made;
}

function checkbox(text, name, inverted = false) {
  const box = el("input", {
    type: "checkbox",
    checked: view[name] !== inverted,
    onchange: () => show({ [name]: box.checked !== inverted }),
  });
  return el("label", { class: "check" }, box, text);
}

/** Change what is shown. */
function show(changes = {}) {
  Object.assign(view, changes);
  const chosen = state.rival < 0 ? state.target : { contrast: [state.target, state.rival] };
  map.view = { ...map.view, ...view, chosen };
  refresh();
}

function showSet(index) {
  state.set = index;
  const { targets, method, layer, linear, map_height: mapHeight, map_width: mapWidth } = sets[index];
  state.target = Math.min(state.target, targets.length - 1);
  state.rival = -1;
  map.data = {
    photoUrl, maps: maps[index], mapHeight, mapWidth, covers: result.covers,
    imageWidthPx: result.image_width_px, imageHeightPx: result.image_height_px,
    targets, method, linear, layer, stridePx: null, receptiveFieldPx: null,
  };
  fillClasses();
  fillRivals();
  show({ showFlagged: false });
}

function fillClasses() {
  classes.replaceChildren(el("legend", {}, "Classes"), ...shownSet().targets.map((target, n) => {
    const { probability } = target.score;
    const bar = el("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", probability ?? 0);
    return el(
      "label", { class: "class" },
      el("input", {
        type: "radio", name: "class", checked: n === state.target,
        onchange: () => {
          Object.assign(state, { target: n, rival: -1 });
          fillRivals();
          show({ showFlagged: false });
        },
      }),
      el("span", { class: "name" }, classText(target)),
      el("span", {}, formatScore(target.score)),
      bar);
  }));
}

/** Offer the classes whose maps can be subtracted from the chosen one. */
function fillRivals() {
  const { targets, linear, method } = shownSet();
  const plain = ({ rivals: others, against }) => !others?.length && !against;
  const others = targets.map((target, n) => [n, classText(target)])
    .filter(([n]) => n !== state.target && plain(targets[n]));
  rivals.replaceChildren();
  if (!others.length || !plain(shownTarget())) return;
  rivals.append(linear
    ? select("Why not", [[-1, "no comparison"], ...others], state.rival, (n) => {
      state.rival = n;
      show();
    })
    : el("p", { class: "muted" },
      `Two maps of ${method} cannot be subtracted. Ask the service for the contrast of classes.`));
}

function thresholdControls() {
  const rules = [[null, "None"], ["fraction", "Share of the strongest"],
    ["percentile", "Percentile of the cells"], ["otsu", "Otsu’s method"]];
  let { kind = null, value = 0.5 } = view.threshold ?? {};
  const percent = () => (kind === "percentile" ? value : 100 * value);
  const range = slider("At", Math.round(percent()), (next) => {
    value = kind === "percentile" ? next : next / 100;
    show({ threshold: { kind, value } });
  });
  const change = (next) => {
    value = next === "percentile" ? percent() : percent() / 100;
    kind = next;
    range.hidden = kind === null || kind === "otsu";
    show({ threshold: kind && { kind, value } });
  };
  range.hidden = kind === null || kind === "otsu";
  return [select("Threshold", rules, kind, change), range, thresholdText];
}

function ruleText() {
  const { kind, value } = view.threshold;
  if (kind === "otsu") return "";
  return kind === "percentile" ? ` (percentile ${value})` : ` (${formatPercent(value)})`;
}

function controls() {
  const names = sets.map(({ method, layer }, n) => [n, `${method} at ${layer || "the pixels"}`]);
  const scales = [["image", "All classes of the image"], ["class", "This class"]];
  if (typeof view.scale === "number") scales.push([view.scale, formatNumber(view.scale)]);
  const colors = Object.keys(COLORMAPS).map((name) =>
    [name, name === "turbo" ? "turbo (familiar)" : name]);
  return el(
    "section", { "aria-label": "View" },
    ...(sets.length > 1 ? [select("Method", names, state.set, showSet)] : []),
    rivals,
    choice("Evidence", "polarity",
      [["positive", "For the class"], ["negative", "Against the class"], ["signed", "Both"]]),
    ...thresholdControls(),
    slider("Opacity", 100 * view.opacity, (percent) => show({ opacity: percent / 100 })),
    choice("Show", "mode",
      [["heat", "Colors"], ["contour", "Outline"], ["mask", "Only the evidence"]]),
    choice("Colors", "colormap", colors),
    choice("Scale", "scale", scales),
    choice("Boxes", "boxes", [["none", "None"], ["largest", "Largest region"], ["all", "All"]]),
    el("div", { class: "checks" },
      checkbox("Map", "hidden", true), checkbox("Cells", "cells"), checkbox("Gray photo", "gray")));
}

/** Write everything that follows from what the map shows. */
function refresh() {
  const target = shownTarget();
  const { method, layer, targets } = shownSet();
  const rival = state.rival < 0 ? "" : `, not ${classText(targets[state.rival])}`;
  heading.textContent = `${classText(target)}${rival}: ${formatScore(target.score)}`;
  subtitle.textContent = [method, stored.model, layer].filter(Boolean).join(" · ");
  document.title = `${heading.textContent} · seewhy`;
  sentence.textContent = map.sentence;
  flag.hidden = !map.flag;
  flag.replaceChildren(`${map.flag} `, checkbox("Show anyway", "showFlagged"));
  const value = map.thresholdValue;
  thresholdText.textContent = value === null ? "" : `From ${formatNumber(value)}${ruleText()} on: `
    + `${formatPercent(map.massShare)} of the evidence in ${formatPercent(map.areaShare)} `
    + "of the image.";
  lists.colormap.disabled = view.polarity === "signed";
  lists.scale.disabled = state.rival >= 0;
  fillLegend();
  fillCaption();
  fillTable();
}

function fillLegend() {
  const { polarity } = view;
  const gray = map.flag && !view.showFlagged;
  paintRamp(ramp, gray ? "gray" : colormapFor(view.colormap, polarity), polarity);
  const top = map.scale;
  const [low, high] = { signed: [-top, top], positive: [0, top], negative: [0, -top] }[polarity];
  const clipped = strongest(evidence(map.values, polarity)) > top;
  const notes = { image: "one scale for all classes", class: "the scale of this class" };
  const note = state.rival < 0 ? notes[view.scale] ?? "a fixed scale" : "the scale of this difference";
  lowest.textContent = formatNumber(low);
  highest.textContent = formatNumber(high);
  scaleNote.textContent = clipped ? `${note}; stronger values exist` : note;
}

function fillCaption() {
  const { map_height: rows, map_width: columns } = shownSet();
  const { covers } = result;
  const size = `${formatNumber(covers.width / columns)} × ${formatNumber(covers.height / rows)} px`;
  const between = view.cells ? "" : " Values between their centers are interpolated.";
  caption.textContent = `${rows} × ${columns} cells of ${size}.${between} ${CAVEAT}`;
}

function fillTable() {
  const { map_height: rows, map_width: columns } = shownSet();
  if (!table.open || tabulated === map.values) return;
  tabulated = map.values;
  table.replaceChildren(table.firstChild);
  if (rows * columns > MAX_TABLE_CELLS) {
    table.append(el("p", {}, `The map has ${rows} × ${columns} values, too many for a table.`));
    return;
  }
  const head = Array.from({ length: columns }, (_, n) => el("th", { scope: "col" }, `${n + 1}`));
  const body = Array.from({ length: rows }, (_, row) => el(
    "tr", {}, el("th", { scope: "row" }, `${row + 1}`),
    ...Array.from(map.values.slice(row * columns, (row + 1) * columns), (value) =>
      el("td", {}, formatNumber(value)))));
  const title = el("caption", {}, "Values by row and column, from the top left");
  const corner = el("td", {}, "");
  table.append(el(
    "div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Values of the map" },
    el("table", {}, title, el("tr", {}, corner, ...head), ...body)));
}

function facts() {
  const time = (text) => text && `${text.slice(0, 19).replace("T", " ")} UTC`;
  const rows = [
    ["Model", stored.model],
    ...Object.entries(result.inputs ?? {}).map(([name, numbers]) => [name, numbers.join(", ")]),
    ["Image", `${result.image_width_px} × ${result.image_height_px} px`],
    ["Explained", time(stored.finished_at ?? stored.submitted_at)],
    ["Explanation", stored.id],
    ["Weights", result.model_digest.slice(0, 16)],
    ...Object.entries(result.versions ?? {}),
    ...result.targets.flatMap((target) => Object.entries(target.trust ?? {})
      .filter(([, score]) => score !== null)
      .map(([name, score]) => [`${name.replaceAll("_", " ")}, ${classText(target)}`,
        typeof score === "number" ? formatNumber(score) : score ? "yes" : "no"])),
  ];
  const list = rows.filter(([, value]) => value)
    .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]);
  return el("details", {}, el("summary", {}, "Facts"), el("dl", {}, ...list));
}

function readCell({ detail }) {
  const text = detail && `Row ${detail.row + 1}, column ${detail.column + 1}: `
    + `${formatNumber(detail.value)}, at least as high as ${Math.round(detail.percentile)}\u00a0% `
    + "of the cells.";
  readout.textContent = text ?? "Point at the map to read its values.";
  if (detail?.byKey) spoken.textContent = text;
}

function start() {
  map.addEventListener("cellhover", readCell);
  readCell({ detail: null });
  const aside = el("aside", { "aria-label": "Classes and controls" }, classes, controls());
  showSet(state.set);
  document.querySelector("main").replaceChildren(
    el("header", {}, heading, subtitle),
    el("div", { class: "page" },
      el("figure", {}, map, legend, flag, sentence, readout, spoken,
        el("figcaption", {}, caption)),
      aside),
    table,
    facts());
}

start();
