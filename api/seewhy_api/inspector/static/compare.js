import { el, fill, listOf, offer } from "./elements.js";
import { cellWords, dotted, loadMaps, loadPhoto, mapData, mapSets, requested } from "./explanation.js";
import { inputWords } from "./inputs.js";
import { bindKeys } from "./keys.js";
import { readView, writeView } from "./location.js";
import { pathOf } from "./service.js";
import { viewKeys } from "./shortcuts.js";
import { needsKey, panel, passes } from "./states.js";
import { FIELDS, elementView, flag, labelOf, nameOf } from "./view.js";
import { viewControls } from "./view-controls.js";
import { enlarge, formatScore, isPlain } from "./viewer.js";

const MAX_PANES = 4;
const PANE_FIELDS = [
  { key: "of", initial: "", parse: (text) => (/^[\dt~,]*$/.test(text) ? text : undefined) },
  ...FIELDS.filter(({ key }) => !["set", "c", "vs"].includes(key)),
  { key: "l", name: "linked", initial: true, ...flag },
];

/** Show up to four maps side by side. */
export async function mountCompare(root, context) {
  const { location, service, signal } = context;
  const known = {};
  const loaded = await Promise.all(location.current.ids.slice(0, MAX_PANES).map((id) => (known[id] ??= loadPane(service, id, signal).catch((failure) => {
    if (!failure.status || needsKey(failure) || passes(failure)) throw failure;
    return { id, failure, data: [] };
  }))));
  if (!loaded.some(({ data }) => data.length)) {
    for (const { failure } of loaded) if (failure) throw failure;
    fill(root, panel("empty", "There is nothing to compare", "None of these explanations has a map.",
      el("a", { class: "button primary", href: "#/" }, "Show the explanations")));
    return null;
  }
  const screen = new Compare(context, loaded);
  fill(root, screen.element);
  screen.update(location.current.params);
  return screen;
}

/** Load an explanation: its record, the photo and all maps. */
async function loadPane(service, id, signal) {
  const record = await service.json(pathOf(id), { signal });
  const sets = record.result ? mapSets(record.result) : [];
  const photoUrl = await loadPhoto(service, id, signal);
  const maps = await Promise.all(sets.map((set) => loadMaps(service, id, set, signal)));
  return { ...record, data: sets.map((set, n) => mapData(record.result, set, maps[n], photoUrl)) };
}

class Pane {
  head = el("header");
  readout = el("p", { class: "muted" });
  map = document.createElement("seewhy-map");
  element = el("section", { class: "pane" }, this.head, this.map, this.readout);

  show(data, view) {
    if (this.map.data !== data) this.map.data = data;
    this.map.view = view;
    this.point();
  }

  /** Say what lies in the cell under the pointer, or in the pinned one. */
  point() {
    const { cell, data } = this.map;
    this.readout.textContent = cell ? cellWords(this.map.describe(cell)) : `${data.mapHeight} × ${data.mapWidth} map`;
  }
}

/** The pane of an explanation that could not be read, or that has no result. */
function paneWithoutMap({ id, failure, error, status }) {
  const why = failure?.message ?? error?.detail ?? `The explanation is ${status}.`;
  return el("section", { class: "pane" }, el("header", {}, el("h2", {}, el("a", { href: `#/e/${id}` }, "No map"))), el("p", {}, why));
}

class Compare {
  #context;
  #loaded;
  #panes;
  #difference = new Pane();
  #subtracted = [];
  #controls = viewControls((changes, push) => this.set(changes, push), []);
  #linked = el("input", { type: "checkbox", onchange: () => this.set({ linked: this.#linked.checked }) });
  #method = listOf([], null, { "aria-label": "Another method" });
  #notice = el("p", { class: "notice", role: "status", hidden: true });

  constructor(context, loaded) {
    this.#context = context;
    this.#loaded = loaded.filter(({ data }) => data.length);
    this.#panes = this.#loaded.map(() => new Pane());
    const rest = [...this.#panes];
    const panes = loaded.map((one) => (one.data.length ? rest.shift().element : paneWithoutMap(one)));
    const form = el("form", { class: "line", hidden: true, onsubmit: (event) => this.#add(event) }, this.#method, el("button", {}, "Add this method"));
    this.element = el("section", { class: "compare" },
      el("header", { class: "head" }, el("h1", {}, "Compare"), el("label", { class: "check" }, this.#linked, "Move together"), form), this.#notice,
      el("div", { class: "panes" }, panes, this.#difference.element), this.#controls.element);
    this.#link("zoomchange", "zoom", sameZoom);
    this.#link("cellpin", "cell", sameCell);
    this.#link("cellhover", null, sameCell);
    bindKeys([...viewKeys(this), ["l", "Move together or apart", () => this.set({ linked: !this.values.linked })],
      ["Escape", "Back to all explanations", () => context.location.go("#/")]], context.signal);
    if (loaded.length < MAX_PANES) this.#offer(form);
  }

  /** The first map: keys zoom and fit it, and with it the others. */
  get map() {
    return this.#panes[0].map;
  }

  notify(words) {
    this.#notice.textContent = words;
    this.#notice.hidden = !words;
  }

  update(params) {
    this.values = readView(params, PANE_FIELDS).values;
    this.#show();
  }

  unmount() {
    for (const { data: [{ photoUrl }] } of this.#loaded) URL.revokeObjectURL(photoUrl);
  }

  /** Change the view, and the address with it. */
  set(changes, push = false) {
    this.values = { ...this.values, ...changes };
    const { location } = this.#context;
    location[push ? "push" : "replace"](writeView(location.current.params, PANE_FIELDS, this.values));
    if (!("zoom" in changes || "cell" in changes)) this.#show();
  }

  /**
   * Let the other panes follow an event of one, if they move together. `name` is what it changes of
   * the view; `convert` returns that of another map.
   */
  #link(event, name, convert) {
    let isFollowing = false;
    const panes = [...this.#panes, this.#difference];
    for (const { map } of panes) {
      map.addEventListener(event, ({ detail }) => {
        const { linked } = this.values;
        const value = name === "zoom" ? detail : detail && [detail.row, detail.column];
        if (!isFollowing && linked) {
          isFollowing = true;
          for (const { map: other } of panes) {
            if (other === map || !other.data) continue;
            if (name) other.view = { ...other.view, [name]: convert(other, map, value) };
            else other.hover(convert(other, map, value));
          }
          isFollowing = false;
        }
        if (name && (linked || map === this.map)) this.set({ [name]: convert(this.map, map, value) });
        for (const pane of panes) if (pane.map.data) pane.point();
      });
    }
  }

  /** What the address says about a pane: which set of maps, and which of its targets. */
  #choices() {
    const texts = this.values.of.split(",");
    return this.#loaded.map(({ data }, n) => {
      const [set, c] = (texts[n] ?? "").split("~");
      return { set: set in data ? Number(set) : 0, c: c || null };
    });
  }

  #show() {
    const { values } = this;
    this.#linked.checked = values.linked;
    const choices = this.#choices();
    for (const [n, pane] of this.#panes.entries()) {
      const { set, c } = choices[n];
      const data = this.#loaded[n].data[set];
      pane.show(data, this.#viewOf(pane, data, { ...values, c, vs: null }));
      this.#describe(n, choices);
    }
    this.#subtract();
    this.#controls.show(values, this.map);
  }

  /** The view of a pane; one that moves by itself keeps its zoom and its cell. */
  #viewOf({ map }, data, values) {
    const view = elementView(values, data);
    if (map === this.map) return view;
    const { zoom, cell } = map.view;
    if (!values.linked) return { ...view, zoom, cell };
    map.data = data;
    return { ...view, zoom: sameZoom(map, this.map, view.zoom), cell: sameCell(map, this.map, values.cell) };
  }

  #describe(n, choices) {
    const { id, model, inputs, data } = this.#loaded[n];
    const { map, head } = this.#panes[n];
    const { targets, method, layer } = map.data;
    const list = (name, texts, chosen, act) => {
      const control = listOf(texts.map((text, value) => [value, text]), (value) => {
        Object.assign(choices[n], act(value));
        this.set({ of: choices.map(({ set, c }) => `${Number(set) || ""}${c ? `~${c}` : ""}`).join().replace(/,+$/, "") }, true);
      }, { "aria-label": name });
      control.value = chosen;
      return texts.length > 1 && control;
    };
    const { score } = targets[map.view.chosen];
    fill(head, el("h2", {}, el("a", { href: `#/e/${id}` }, score.label), ` ${formatScore(score)}`),
      el("p", { class: "muted" }, dotted(model, method, layer, inputWords(inputs))),
      el("div", { class: "line" },
        list("Maps", data.map((set) => `${set.method} ${set.layer}`), choices[n].set, (set) => ({ set })),
        list("Class", targets.map(labelOf), map.view.chosen, (c) => ({ c: nameOf(targets, Number(c)) }))));
  }

  /** Subtract the second map from the first one, if they are of the same photo. */
  #subtract() {
    const shown = this.#panes.map(({ map }) => map);
    const [a, b] = shown;
    const pane = this.#difference;
    const isPossible = shown.length === 2 && this.#loaded[0].image_id === this.#loaded[1].image_id
      && a.values !== b.values && String(Object.values(a.data.covers)) === String(Object.values(b.data.covers));
    pane.element.hidden = !isPossible;
    if (!isPossible) return;
    const parts = shown.flatMap(({ data, view }) => [data, view.chosen]);
    if (parts.some((part, n) => part !== this.#subtracted[n])) pane.map.data = differenceOf(a, b, this.#isLinear(a, b));
    this.#subtracted = parts;
    const { data } = pane.map;
    const view = this.#viewOf(pane, data, { ...this.values, c: null, vs: null });
    pane.show(data, { ...view, chosen: { contrast: [0, 1] }, polarity: "signed", scale: "image" });
    fill(pane.head, el("h2", {}, data.linear ? data.targets.map(labelOf).join(" − ") : "Difference of normalized maps"),
      el("p", { class: "muted" }, data.linear ? `Exact: ${data.method} is linear, so this explains the difference of the two scores.`
        : "Each map is divided by its strongest value. This shows where they differ, and explains no score."));
  }

  #isLinear(a, b) {
    const [one, other] = this.#loaded.map(({ result }) => ({ ...result, inputs: inputWords(result.inputs) }));
    return a.data.linear && ["model_digest", "score", "inputs"].every((name) => one[name] === other[name])
      && ["method", "layer", "linear", "mapHeight", "mapWidth"].every((name) => a.data[name] === b.data[name])
      && [a, b].every(({ data, view }) => isPlain(data.targets[view.chosen]));
  }

  /** Offer the methods of the first model that no pane has. */
  async #offer(form) {
    const { service, signal } = this.#context;
    const known = this.#loaded.flatMap(({ data }) => data.map(({ method }) => method));
    const { methods } = await service.model(this.#loaded[0].model, signal);
    offer(this.#method, methods.map(({ name }) => name).filter((name) => !known.includes(name)));
    form.hidden = !this.#method.length;
  }

  /** Ask the service for another method of the first photo and class. */
  async #add(event) {
    event.preventDefault();
    const { service, signal, location } = this.#context;
    const [{ image_id, model, inputs }] = this.#loaded;
    const { data, view } = this.map;
    const method = this.#method.value;
    try {
      const id = await service.explain({ image_id, model, method, inputs, targets: [requested(data.targets[view.chosen], data.method)] }, signal);
      const { error } = await service.follow(id, ({ status }) => this.notify(`${method}: ${status}`), signal);
      if (error) this.notify(error.detail);
      else location.go(`#/c/${[...this.#loaded.map((one) => one.id), id]}?${location.current.params}`);
    } catch (error) {
      if (!signal.aborted) this.notify(error.message);
    }
  }
}

function sameZoom({ data: here }, { data: there }, zoom) {
  const across = here.imageWidthPx / there.imageWidthPx;
  return zoom && { scale: zoom.scale, x: zoom.x * across, y: (zoom.y / there.imageHeightPx) * here.imageHeightPx };
}

/** Return the cell of a map where another one has a cell, by its place in the image; null outside. */
function sameCell({ data: here }, { data: there }, cell) {
  const at = (n, start, length, cells, sizePx) => {
    const place = (there.covers[start] + ((cell[n] + 0.5) / there[cells]) * there.covers[length]) / there[sizePx];
    const found = Math.floor(((place * here[sizePx] - here.covers[start]) / here.covers[length]) * here[cells]);
    return found >= 0 && found < here[cells] ? found : null;
  };
  const found = cell && [at(0, "y", "height", "mapHeight", "imageHeightPx"), at(1, "x", "width", "mapWidth", "imageWidthPx")];
  return found?.includes(null) ? null : found;
}

/** Return what `<seewhy-map>` shows of two maps of a photo; a smaller one is interpolated. */
function differenceOf(a, b, linear) {
  const mapHeight = Math.max(a.data.mapHeight, b.data.mapHeight);
  const mapWidth = Math.max(a.data.mapWidth, b.data.mapWidth);
  const maps = [a, b].map(({ values, data: { mapHeight: height, mapWidth: width } }) =>
    enlarge(values, { height, width }, { heightPx: mapHeight, widthPx: mapWidth }));
  return { ...a.data, maps, mapHeight, mapWidth, linear, targets: [a, b].map(({ data, view }) => data.targets[view.chosen]) };
}
