import { formatScore, isPlain } from "./viewer.js";
import { again, targetsOf } from "./again.js";
import { classes } from "./classes.js";
import { viewControls } from "./view-controls.js";
import { downloads } from "./downloads.js";
import { el, fill } from "./elements.js";
import { cellWords, dotted, requested } from "./explanation.js";
import { inputWords } from "./inputs.js";
import { inspectKeys } from "./shortcuts.js";
import { bindKeys } from "./keys.js";
import { legend } from "./legend.js";
import { readView, writeView } from "./location.js";
import { receipt, table, trust } from "./receipt.js";
import { FIELDS, elementView, labelOf, nameOf, positionOf } from "./view.js";

/** The screen of an explanation that succeeded. */
export class Inspector {
  #context;
  #record;
  #options;
  #values;
  #classes;
  #parts;
  #hovered = null;
  #head = el("header", { class: "head" });
  #notice = el("p", { class: "notice", role: "status", hidden: true });
  #flag = el("div", { class: "notice" });
  #readout = el("p", { class: "readout muted" });
  #sentence = el("p", {});
  #side = el("div", { class: "side" });

  /**
   * @param {Object} context Of the page.
   * @param {Object} record Of an explanation with a result.
   * @param {{known: Array<Object|null>, loadSet: function(number): Promise<Object>, sets: Object[],
   *   submit: function(Object): Promise<void>, model: Promise<Object>}} options `known` is the data of each set of maps that
   *   is loaded.
   */
  constructor(context, record, options) {
    this.#context = context;
    this.#record = record;
    this.#options = options;
    this.map = document.createElement("seewhy-map");
    this.element = el("div", { class: "inspect" });
  }

  /** Build the screen and show the view of the address. */
  start() {
    const { location, signal } = this.#context;
    const legendPart = legend();
    const controls = viewControls((changes, push) => this.set(changes, push), this.#options.sets);
    const files = downloads(this.#record, this.#context, legendPart.element);
    const ask = (target) => this.submit({ targets: [requested(target, this.map.data.method)], outputs: ["overlay", "trust"] });
    const { submit, model } = this.#options;
    this.#parts = [legendPart, controls, trust(ask), again(this.#record, submit, model), files, table(), receipt(this.#record)];
    fill(this.element,
      el("section", { class: "photo-column" }, this.#head, this.#notice, this.#flag, this.map, this.#readout, legendPart.element, this.#sentence),
      this.#side);
    this.map.addEventListener("cellhover", ({ detail }) => this.#point(detail));
    this.map.addEventListener("cellpin", ({ detail }) => this.set({ cell: detail && [detail.row, detail.column] }));
    this.map.addEventListener("zoomchange", ({ detail }) => this.set({ zoom: detail }));
    bindKeys(inspectKeys(this, files, this.#context), signal);
    this.update(location.current.params);
  }

  /** The values of the address. */
  get values() {
    return this.#values;
  }

  /** Follow the address. */
  update(params) {
    const { values, refused } = readView(params, FIELDS);
    this.#values = values;
    this.#show(refused);
  }

  /** Change the view, and the address with it: `push` for what Back should undo. */
  set(changes, push = false) {
    this.#values = { ...this.#values, ...changes };
    const { location } = this.#context;
    location[push ? "push" : "replace"](writeView(location.current.params, FIELDS, this.#values));
    this.#show([]);
  }

  choose(position) {
    this.set({ c: nameOf(this.map.data.targets, position), vs: null, ...(this.#values.vs && { polarity: "positive" }) }, true);
  }

  /** Choose the class that is `step` further in the list. */
  step(step) {
    const { positions } = this.#classes;
    const { chosen } = this.map.view;
    const next = positions.indexOf(chosen.contrast?.[0] ?? chosen) + step;
    if (next in positions) this.choose(positions[next]);
  }

  chooseRow(row) {
    if (row in this.#classes.positions) this.choose(this.#classes.positions[row]);
  }

  /** Compare with the best other class, or stop comparing. */
  compareNext() {
    const { chosen } = this.map.view;
    const { targets } = this.map.data;
    const other = this.#classes.positions.find((position) => position !== chosen && isPlain(targets[position]));
    if (chosen.contrast) this.compare(null);
    else if (other !== undefined) this.compare(String(targets[other].score.index));
  }

  /** Compare with the class of an index, or with none; a difference has two signs. */
  compare(vs) {
    this.set({ vs, polarity: vs === null ? "positive" : "signed" }, true);
  }

  async submit(changes) {
    const { method } = this.map.data;
    await this.#options.submit({ method, ...changes }).catch(({ message }) => this.#notify(message));
  }

  #notify(words) {
    this.#notice.textContent = words;
    this.#notice.hidden = !words;
  }

  async #show(refused) {
    const { known, loadSet, sets } = this.#options;
    const { set, c } = this.#values;
    const wanted = set in sets ? set : 0;
    const data = known[wanted] ?? await loadSet(wanted).catch(({ message }) => this.#notify(message));
    if (!data) return;
    const bad = [...refused];
    if (c !== null && positionOf(data.targets, c) < 0) bad.push(`c=${c}`);
    this.#notify(bad.length ? `The address has parts that mean nothing here: ${bad.join(", ")}. Their defaults are shown.` : "");
    if (this.map.data !== data) this.#open(data);
    this.map.view = elementView(this.#values, data);
    for (const part of [this.#classes, ...this.#parts]) part.show(this.#values, this.map);
    this.#describe();
    this.#point(this.#hovered && this.map.describe([this.#hovered.row, this.#hovered.column]));
  }

  /** Show another set of maps. */
  #open(data) {
    this.map.data = data;
    this.#hovered = null;
    this.#classes = classes({ ...data, top: this.#record.result.top }, {
      choose: (position) => this.choose(position),
      compare: (vs) => this.compare(vs),
      explain: (index) => this.submit({ targets: targetsOf(this.#record, String(index)) }),
    });
    const [, controls, ...rest] = this.#parts;
    fill(this.#side, this.#classes.element, controls.element, rest.map(({ element }) => element));
  }

  #describe() {
    const { view, data, flag } = this.map;
    const [a, b] = view.chosen.contrast ?? [view.chosen, null];
    const { score } = data.targets[a];
    const title = b === null ? labelOf(data.targets[a]) : `${score.label}, not ${data.targets[b].score.label}`;
    fill(this.#head, el("h1", {}, title), b === null && el("span", { class: "probability" }, formatScore(score)),
      el("span", { class: "muted" }, dotted(this.#record.model, data.method, inputWords(this.#record.inputs))));
    document.title = `${title} · seewhy`;
    this.#sentence.textContent = this.map.sentence;
    fill(this.#classes.note, b === null ? [] : this.#contrastWords(a, b));
    const turn = data.targets[a].verdict === "all_negative" && view.polarity === "positive";
    fill(this.#flag, flag && [el("span", {}, flag),
      turn && el("button", { onclick: () => this.set({ polarity: "negative" }, true) }, "Show the evidence against"),
      el("button", { onclick: () => this.set({ showFlagged: !view.showFlagged }) }, view.showFlagged ? "Show as flagged" : "Show anyway")]);
    this.#flag.hidden = !flag;
  }

  #contrastWords(a, b) {
    const { data } = this.map;
    const [why, not] = [data.targets[a].score, data.targets[b].score];
    if (data.linear) return `Computed here: ${data.method} is linear in the score, so the difference of the two maps explains the difference of the two logits.`;
    return [`This is the difference of normalized maps: ${data.method} is not linear, so only the service can explain the difference of the scores. `,
      el("button", { onclick: () => this.submit({ targets: [{ why: why.index, not: [not.index] }] }) }, "Ask the service")];
  }

  /** Say what lies under the pointer, else in the pinned cell. */
  #point(hovered) {
    this.#hovered = hovered;
    const { view, data, scale } = this.map;
    const pinned = view.cell && this.map.describe(view.cell);
    const cell = hovered ?? pinned;
    this.#readout.textContent = cell
      ? cellWords(cell) + (hovered ? "" : " (pinned)")
      : `Point at the map to read its ${data.mapHeight * data.mapWidth} values; click to pin a cell.`;
    this.#classes.point(cell, !hovered && pinned !== null, scale);
    if (hovered?.byKey) this.#context.announce(this.#readout.textContent);
  }
}
