import { el, fill } from "./elements.js";
import { describeCell, loadMaps, loadPhoto, mapData, mapSets, requested } from "./explanation.js";
import { bindKeys } from "./keys.js";
import { readView, writeView } from "./location.js";
import { viewKeys } from "./shortcuts.js";
import { needsKey, panel, passes } from "./states.js";
import { FIELDS, flag, elementView, labelOf, nameOf } from "./view.js";
import { viewControls } from "./view-controls.js";
import { enlarge, formatNumber, formatScore, isPlain } from "./viewer.js";

const MAX_PANES = 4;
const PANE_FIELDS = [
  { key: "of", name: "of", initial: "", parse: (text) => (/^[\dt~,]*$/.test(text) ? text : undefined) },
  ...FIELDS.filter(({ name }) => !["set", "c", "vs"].includes(name)),
  { key: "l", name: "linked", initial: true, ...flag },
];

/** Show up to four maps side by side. */
export async function mountCompare(root, context) {
  const { location, service, signal } = context;
  const ids = location.current.ids.slice(0, MAX_PANES);
  const loaded = await Promise.all(ids.map((id) => loadPane(service, id, signal).catch((error) => {
    if (!error.status || needsKey(error) || passes(error)) throw error;
    return { id, error, data: [] };
  })));
  if (!loaded.some(({ data }) => data.length)) {
    for (const { error } of loaded) if (error) throw error;
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
  const record = await service.json(`v1/explanations/${encodeURIComponent(id)}`, { signal });
  const sets = record.result ? mapSets(record.result) : [];
  const [photoUrl, ...maps] = await Promise.all([loadPhoto(service, id, signal).catch(() => null),
    ...sets.map((set) => loadMaps(service, id, set, signal))]);
  return { id, record, data: sets.map((set, n) => mapData(record.result, set, maps[n], photoUrl)) };
}

class Pane {
  head = el("header", {});
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
    const { row, column, value, percentile } = cell ? describeCell(this.map, cell) : {};
    this.readout.textContent = cell ? `Row ${row + 1}, column ${column + 1}: ${formatNumber(value)}, percentile ${Math.round(percentile)}`
      : `${data.mapHeight} × ${data.mapWidth} map`;
  }
}

/** The pane of an explanation that could not be read, or that has no result. */
function withoutMap({ id, error, record }) {
  const why = error?.message ?? record.error?.detail ?? `The explanation is ${record.status}.`;
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
  #method = el("select", { "aria-label": "Another method" });
  #notice = el("p", { class: "notice", role: "status", hidden: true });

  constructor(context, loaded) {
    this.#context = context;
    this.#loaded = loaded.filter(({ data }) => data.length);
    this.#panes = this.#loaded.map(() => new Pane());
    const rest = [...this.#panes];
    const panes = loaded.map((one) => (one.data.length ? rest.shift().element : withoutMap(one)));
    const form = el("form", { class: "line", hidden: true, onsubmit: (event) => this.#add(event) }, this.#method, el("button", {}, "Add this method"));
    this.element = el("section", { class: "compare" },
      el("header", { class: "head" }, el("h1", {}, "Compare"), el("label", { class: "check" }, this.#linked, "Move together"), form), this.#notice,
      el("div", { class: "panes" }, panes, this.#difference.element), this.#controls.element);
    this.#link("zoomchange", (map, from, zoom) => (map.view = { ...map.view, zoom: sameZoom(map, from, zoom) }));
    this.#link("cellpin", (map, from, cell) => (map.view = { ...map.view, cell: sameCell(map, from, cell) }));
    this.#link("cellhover", (map, from, cell) => map.hover(sameCell(map, from, cell)));
    const link = { keys: ["l"], label: "Move together or apart", run: () => this.set({ linked: !this.values.linked }) };
    bindKeys([...viewKeys(this), link, { keys: ["Escape"], label: "Back to all explanations", run: () => context.location.go("#/") }], context.signal);
    if (loaded.length < MAX_PANES) this.#offer(form);
  }

  /** The first map: keys zoom and fit it, and with it the others. */
  get map() {
    return this.#panes[0].map;
  }

  update(params) {
    const { values } = readView(params, PANE_FIELDS);
    this.values = values;
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

  /** Let the other panes follow an event of one, if they move together. */
  #link(name, act) {
    let isFollowing = false;
    const panes = [...this.#panes, this.#difference];
    for (const [n, { map }] of panes.entries()) {
      map.addEventListener(name, ({ detail }) => {
        const cell = detail && "row" in detail ? [detail.row, detail.column] : detail;
        if (!isFollowing && this.values.linked) {
          isFollowing = true;
          for (const other of panes) if (other.map !== map && other.map.data) act(other.map, map, cell);
          isFollowing = false;
        }
        if (name !== "cellhover" && (this.values.linked || !n)) this.set({ [name === "cellpin" ? "cell" : "zoom"]: (name === "cellpin" ? sameCell : sameZoom)(this.map, map, cell) });
        for (const other of panes) if (other.map.data) other.point();
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
      const data = this.#loaded[n].data[choices[n].set];
      pane.show(data, this.#viewOf(pane, data, { ...values, c: choices[n].c, vs: null }, n));
      this.#describe(n, choices);
    }
    this.#subtract();
    this.#controls.show(values, this.map);
  }

  /** The view of a pane; one that moves by itself keeps its zoom and its cell. */
  #viewOf(pane, data, values, n) {
    const view = elementView(values, data);
    if (!n) return view;
    if (!values.linked) return { ...view, zoom: pane.map.view.zoom, cell: pane.map.view.cell };
    pane.map.data = data;
    return { ...view, zoom: sameZoom(pane.map, this.map, view.zoom), cell: sameCell(pane.map, this.map, values.cell) };
  }

  #describe(n, choices) {
    const { id, record, data } = this.#loaded[n];
    const { map, head } = this.#panes[n];
    const { targets, method, layer } = map.data;
    const list = (name, options, chosen, act) => {
      const control = el("select", { "aria-label": name, onchange: () => {
        Object.assign(choices[n], act(control.value));
        this.set({ of: choices.map(({ set, c }) => `${Number(set) || ""}${c ? `~${c}` : ""}`).join().replace(/,+$/, "") }, true);
      } }, options.map((text, value) => el("option", { value }, text)));
      control.value = chosen;
      return options.length > 1 && control;
    };
    const { score } = targets[map.view.chosen];
    fill(head, el("h2", {}, el("a", { href: `#/e/${id}` }, score.label), ` ${formatScore(score)}`),
      el("p", { class: "muted" }, `${record.model} · ${method}${layer && ` · ${layer}`}`),
      el("div", { class: "line" },
        list("Maps", data.map((set) => `${set.method} ${set.layer}`), choices[n].set, (set) => ({ set })),
        list("Class", targets.map(labelOf), map.view.chosen, (c) => ({ c: nameOf(targets, Number(c)) }))));
  }

  /** Subtract the second map from the first one, if they are of the same photo. */
  #subtract() {
    const [a, b] = this.#panes;
    const pane = this.#difference;
    const nameOfPane = (n) => [this.#loaded[n].id, ...Object.values(this.#choices()[n])].join();
    const isPossible = this.#panes.length === 2 && this.#loaded[0].record.image_id === this.#loaded[1].record.image_id
      && nameOfPane(0) !== nameOfPane(1)
      && String(Object.values(a.map.data.covers)) === String(Object.values(b.map.data.covers));
    pane.element.hidden = !isPossible;
    if (!isPossible) return;
    const parts = [a, b].flatMap(({ map }) => [map.data, map.view.chosen]);
    if (parts.some((part, n) => part !== this.#subtracted[n])) pane.map.data = differenceOf(a.map, b.map, this.#isLinear(a.map, b.map));
    this.#subtracted = parts;
    const { data } = pane.map;
    const view = this.#viewOf(pane, data, { ...this.values, c: null, vs: null }, 1);
    pane.show(data, { ...view, chosen: { contrast: [0, 1] }, polarity: "signed", scale: "image" });
    fill(pane.head, el("h2", {}, data.linear ? data.targets.map(labelOf).join(" − ") : "Difference of normalized maps"),
      el("p", { class: "muted" }, data.linear ? `Exact: ${data.method} is linear, so this explains the difference of the two scores.`
        : "Each map is divided by its strongest value. This shows where they differ, and explains no score."));
  }

  #isLinear(a, b) {
    const [one, other] = this.#loaded.map(({ record }) => record.result);
    return a.data.linear && b.data.linear && one.model_digest === other.model_digest && one.score === other.score
      && ["method", "layer", "mapHeight", "mapWidth"].every((name) => a.data[name] === b.data[name])
      && [a, b].every(({ data, view }) => isPlain(data.targets[view.chosen]));
  }

  #notify(words) {
    this.#notice.textContent = words;
    this.#notice.hidden = !words;
  }

  /** Offer the methods of the first model that no pane has. */
  async #offer(form) {
    const { service, signal } = this.#context;
    const { models } = await service.json("v1/models", { signal }).catch(() => ({ models: [] }));
    const known = this.#loaded.flatMap(({ data }) => data.map(({ method }) => method));
    const { methods = [] } = models.find(({ name }) => name === this.#loaded[0].record.model) ?? {};
    this.#method.append(...methods.filter(({ name }) => !known.includes(name)).map(({ name }) => el("option", { value: name }, name)));
    form.hidden = !this.#method.length;
  }

  /** Ask the service for another method of the first photo and class. */
  async #add(event) {
    event.preventDefault();
    const { service, signal, location } = this.#context;
    const [{ record: { image_id, model } }] = this.#loaded;
    const { data, view } = this.map;
    const body = JSON.stringify({ image_id, model, method: this.#method.value, targets: [requested(data.targets[view.chosen], data.method)] });
    try {
      const { id } = await service.json("v1/explanations", { method: "POST", body, headers: { "Content-Type": "application/json" }, signal });
      const { error } = await service.follow(id, ({ status }) => this.#notify(`${this.#method.value}: ${status}`), signal);
      if (error) this.#notify(error.detail);
      else location.go(`#/c/${[...this.#loaded.map((one) => one.id), id]}?${location.current.params}`);
    } catch (error) {
      if (!signal.aborted) this.#notify(error.message);
    }
  }
}

function sameZoom(map, from, zoom) {
  const [here, there] = [map.data, from.data];
  return zoom && { scale: zoom.scale, x: (zoom.x / there.imageWidthPx) * here.imageWidthPx, y: (zoom.y / there.imageHeightPx) * here.imageHeightPx };
}

/** Return the cell of a map where another one has a cell, by its place in the image; null outside. */
function sameCell(map, from, cell) {
  const [here, there] = [map.data, from.data];
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
    (height === mapHeight && width === mapWidth ? values : enlarge(values, { height, width }, { heightPx: mapHeight, widthPx: mapWidth })));
  return { ...a.data, maps, mapHeight, mapWidth, linear, targets: [a, b].map(({ data, view }) => data.targets[view.chosen]) };
}
