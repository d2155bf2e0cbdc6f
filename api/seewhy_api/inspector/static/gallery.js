import { el, field, fill, listOf, offer } from "./elements.js";
import { bindKeys } from "./keys.js";
import { readView, writeView } from "./location.js";
import { failure, loading, panel } from "./states.js";
import { Images, Summaries } from "./summaries.js";
import { WindowGrid } from "./window-grid.js";
import { formatScore } from "./viewer.js";

const REASONS = ["verdict", "trust", "border", "image", "answer", "class", "methods", "annotation"];
const scoreOf = (reason) => ({ suspicion }) => -(suspicion?.parts.find((part) => part.reason === reason)?.score ?? 0);
/** Sort key → its name, and what is sorted by, the lowest first. */
const ORDERS = {
  suspicion: ["Suspicion", ({ suspicion }) => -(suspicion?.score ?? -1)],
  newest: ["Newest", () => 0],
  margin: ["Smallest margin", ({ margin }) => margin ?? Infinity],
  trust: ["Least trust", ({ trust }) => trust ?? Infinity],
  ...Object.fromEntries(REASONS.map((reason) => [`by-${reason}`, [`Reason: ${reason}`, scoreOf(reason)]])),
};
const FILTERS = { status: "State", model: "Model", verdict: "Verdict" };
const LIST_FIELDS = [
  ...["batch", "project", "q", ...Object.keys(FILTERS)].map((key) => ({ key, initial: "", parse: String })),
  { key: "sort", initial: "suspicion", parse: (text) => (Object.hasOwn(ORDERS, text) ? text : undefined) },
];
const MAX_CHOSEN = 4;
const plain = (name) => name.replaceAll("_", " ");

/** What the gallery showed last, for the way back to it. */
let kept = null;

/** Show the latest explanations, or those of a batch. */
export async function mountGallery(root, context) {
  const screen = new Gallery(root, context);
  screen.update();
  return screen;
}

class Gallery {
  #context;
  #root;
  #values = {};
  #summaries;
  #chosen = new Set();
  #ends = new WeakMap();
  #sort = listOf(Object.entries(ORDERS).map(([value, [name]]) => [value, name]), (sort) => this.#set({ sort }));
  #filters = Object.keys(FILTERS).map((name) => listOf([], (value) => this.#set({ [name]: value })));
  #words = el("input", { type: "search", oninput: () => this.#set({ q: this.#words.value }) });
  #title = el("h1");
  #count = el("span", { class: "muted", role: "status" });
  #notice = el("p", { class: "notice", hidden: true });
  #nothing = el("div");
  #bar = el("div", { class: "chosen", hidden: true });
  #frame;
  #grid;
  #images;

  constructor(root, context) {
    this.#root = root;
    this.#context = context;
    this.#images = new Images(context.service);
    this.#grid = new WindowGrid(el("ul", { class: "tiles", "aria-label": "Explanations" }),
      (summary) => this.#tile(summary), (tile) => this.#ends.get(tile)?.(), context.signal);
    this.#frame = el("section", { class: "gallery" }, el("header", { class: "head" }, this.#title, this.#count),
      el("div", { class: "filters" }, field("Sort by", this.#sort), field("Class or file", this.#words),
        Object.values(FILTERS).map((label, n) => field(label, this.#filters[n]))),
      this.#notice, this.#nothing, this.#grid.element, this.#bar);
    bindKeys([["/", "Filter", () => this.#words.focus()]], context.signal);
  }

  /** Follow the address. */
  update() {
    const { values } = readView(this.#context.location.current.params, LIST_FIELDS);
    const isOther = ["batch", "project"].some((name) => values[name] !== this.#values[name]);
    this.#values = values;
    if (isOther) this.#open();
    else this.#show();
  }

  unmount() {
    kept = { summaries: this.#summaries, top: scrollY };
    this.#grid.show([]);
  }

  /** Load what the address names, or show what was loaded before. */
  async #open() {
    const { service, signal, announce } = this.#context;
    const wanted = new Summaries(service, this.#values);
    const isKept = kept?.summaries.complete && ["path", "key"].every((name) => kept.summaries[name] === wanted[name]);
    const mine = isKept ? kept.summaries : wanted;
    this.#summaries = mine;
    fill(this.#root, loading("Loading the explanations …"));
    if (isKept) {
      this.#show();
      scrollTo(0, kept.top);
    }
    const onError = (error) => {
      this.#notice.hidden = !error;
      this.#notice.textContent = error && `${error.message} What is shown may be old; the page tries again by itself.`;
    };
    await mine.follow(() => mine === this.#summaries && this.#show(), onError, signal).catch((error) => {
      if (signal.aborted || mine !== this.#summaries) return;
      fill(this.#root, failure(error, { service, signal, retry: () => this.#open() }));
      announce(this.#root.querySelector("h1").textContent);
    });
  }

  #set(changes) {
    const { location } = this.#context;
    this.#values = { ...this.#values, ...changes };
    location["q" in changes ? "replace" : "push"](writeView(location.current.params, LIST_FIELDS, this.#values));
    scrollTo(0, 0);
    this.#show();
  }

  #show() {
    const { batch, project, sort, q, ...filters } = this.#values;
    const { all } = this.#summaries;
    if (!all.length) {
      fill(this.#root, batch || project ? panel("empty", "There are no explanations yet", "Those of a batch or of annotations appear here.") : firstRun());
      return;
    }
    if (!this.#frame.isConnected) fill(this.#root, this.#frame);
    this.#filters.forEach((list, n) => this.#offer(list, Object.keys(FILTERS)[n], all));
    this.#sort.value = sort;
    if (this.#words.value !== q) this.#words.value = q;
    const words = q.toLowerCase().split(/\s+/);
    const [, value] = ORDERS[sort];
    const shown = all.filter((one) => {
      const said = `${one.answer?.label} ${one.target?.label} ${one.key} ${one.id}`.toLowerCase();
      return words.every((word) => said.includes(word)) && Object.entries(filters).every(([name, wanted]) => !wanted || one[name] === wanted);
    }).sort((a, b) => value(a) - value(b));
    this.#title.textContent = batch ? "Batch" : project ? `Project ${project}` : "Explanations";
    document.title = `${this.#title.textContent} · seewhy`;
    this.#count.textContent = shown.length === all.length ? all.length : `${shown.length} of ${all.length}`;
    fill(this.#nothing, !shown.length && panel("no-match", "No explanation matches",
      el("button", { onclick: () => this.#set({ q: "", status: "", model: "", verdict: "" }) }, "Clear the filters")));
    this.#context.sequence.splice(0, Infinity, ...shown.map(({ id }) => id));
    this.#grid.show(shown);
  }

  /** Offer as a filter what there is, with its number. */
  #offer(list, name, all) {
    const wanted = this.#values[name];
    const counts = wanted ? { [wanted]: 0 } : {};
    for (const { [name]: value } of all) if (value) counts[value] = (counts[value] ?? 0) + 1;
    const choices = [["", "all"], ...Object.entries(counts).sort().map(([value, count]) => [value, `${plain(value)} (${count})`])];
    // An open list closes when its options are replaced.
    if (list.dataset.choices !== String(choices)) offer(list, choices);
    list.dataset.choices = choices;
    list.value = wanted;
  }

  #tile(summary) {
    const { id, key, method, status, error, answer, verdict, suspicion } = summary;
    const isDone = status === "succeeded";
    const parts = suspicion?.parts ?? [];
    const image = el("canvas", { hidden: true });
    const thumb = el("span", { class: "thumb", "data-state": isDone ? verdict : status }, image);
    const name = answer?.label ?? key ?? method;
    const why = isDone ? (parts[0]?.words ?? "Nothing suspicious") : error?.detail ?? plain(status);
    const link = el("a", { href: `#/e/${id}`, title: parts.map(({ score, words }) => `${score.toFixed(1)} bits: ${words}`).join("\n") || null },
      thumb, el("span", { class: "line" }, el("strong", {}, name), answer && el("span", { class: "muted" }, formatScore(answer))),
      el("span", { class: parts.length ? "why" : "why muted" }, why, parts.length > 1 && el("span", { class: "muted" }, ` and ${parts.length - 1} more`)));
    link.style.setProperty("--score", Math.min((suspicion?.score ?? 0) / 20, 1));
    const box = el("input", { type: "checkbox", checked: this.#chosen.has(id), "aria-label": `Compare ${name}`, onchange: () => this.#choose(id, box) });
    const tile = el("li", {}, link, isDone && el("label", { class: "pick" }, box));
    if (isDone) this.#ends.set(tile, this.#images.draw(summary, image, () => (thumb.dataset.state = "no image")));
    return tile;
  }

  /** Choose an explanation for a comparison, or no longer. */
  #choose(id, box) {
    const chosen = this.#chosen;
    if (!box.checked) chosen.delete(id);
    else if (chosen.size < MAX_CHOSEN) chosen.add(id);
    else box.checked = false;
    this.#bar.hidden = !chosen.size;
    fill(this.#bar, `${chosen.size} of ${MAX_CHOSEN} chosen`, el("a", { class: "button primary", href: `#/c/${[...chosen]}` }, "Compare"));
  }
}

function firstRun() {
  return panel("empty", "No explanations yet", "Drop a photo anywhere on this page, or explain one from the command line:",
    el("code", {}, "seewhy explain photo.jpg"), el("a", { class: "button primary", href: "#/new" }, "Explain a photo"));
}
