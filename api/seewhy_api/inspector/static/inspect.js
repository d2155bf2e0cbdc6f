import { ended, progress } from "./progress.js";
import { el, fill } from "./elements.js";
import { loadMaps, loadPhoto, mapData, mapSets } from "./explanation.js";
import { Inspector } from "./inspector.js";
import { failure, loading, needsKey, panel } from "./states.js";
import { readView } from "./location.js";
import { FIELDS } from "./view.js";
import { formatScore } from "./viewer.js";

/** What the page asks for. */
export const TARGETS = "top:5";

/** Show one explanation, whatever its state. */
export async function mountInspect(root, context) {
  const screen = new Screen(root, context);
  screen.start();
  return { update: (params) => screen.update(params), unmount: () => screen.unmount() };
}

class Screen {
  #root;
  #context;
  #id;
  #inspector = null;
  #photoUrl = null;

  constructor(root, context) {
    this.#root = root;
    this.#context = context;
    [this.#id] = context.location.current.ids;
  }

  /** Load the explanation, and follow it to its end. */
  async start() {
    const { signal } = this.#context;
    fill(this.#root, loading("Loading the explanation …"));
    try {
      const record = await this.#follow();
      if (record.status === "succeeded") await this.#inspect(record);
      else fill(this.#root, ended(record, () => this.#submit(record, {}), this.#context.announce));
    } catch (error) {
      if (signal.aborted) return;
      const retry = () => this.start();
      fill(this.#root, failure(error, { service: this.#context.service, retry, signal }));
      this.#context.announce(this.#root.querySelector("h1").textContent);
    }
  }

  update(params) {
    this.#inspector?.update(params);
  }

  unmount() {
    if (this.#photoUrl) URL.revokeObjectURL(this.#photoUrl);
  }

  async #follow() {
    const { service, signal, photos, announce } = this.#context;
    const path = `v1/explanations/${encodeURIComponent(this.#id)}`;
    let shown = null;
    let status = null;
    const cancel = () => service.json(`${path}/cancel`, { method: "POST", signal }).catch((error) => announce(error.message, true));
    return service.follow(this.#id, (record, error) => {
      if (record.finished_at !== null) return;
      if (!shown) {
        shown = progress(photos.get(this.#id) ?? null, cancel);
        fill(this.#root, shown.element);
      }
      shown.show(record, error);
      if (status !== record.status) announce(record.status === "running" ? "The explanation runs." : "The explanation waits in the queue.");
      status = record.status;
    }, signal);
  }

  async #inspect(record) {
    const { service, signal, announce } = this.#context;
    const { result } = record;
    const sets = mapSets(result);
    const wanted = readView(this.#context.location.current.params, FIELDS).values.set;
    const first = wanted < sets.length ? wanted : 0;
    const photo = loadPhoto(service, this.#id, signal).catch(() => null);
    const maps = await loadMaps(service, this.#id, sets[first], signal).catch((error) => {
      if (needsKey(error) || error.status === 0 || error.status === 429 || signal.aborted) throw error;
      return null;
    });
    this.#photoUrl = await photo;
    signal.throwIfAborted();
    if (!maps) {
      fill(this.#root, this.#withoutMap(record));
      return;
    }
    const dataOf = (set, ofSet) => mapData(result, set, ofSet, this.#photoUrl);
    const known = sets.map((set, n) => (n === first ? dataOf(set, maps) : null));
    const loadSet = async (n) => (known[n] ??= dataOf(sets[n], await loadMaps(service, this.#id, sets[n], signal)));
    this.#inspector = new Inspector(this.#context, record, {
      known, loadSet, sets, photoUrl: this.#photoUrl, submit: (changes) => this.#submit(record, changes),
    });
    fill(this.#root, this.#inspector.element);
    this.#inspector.start();
    announce(`${result.top[0].label}: ${this.#inspector.sentence}`);
    for (const n of sets.keys()) await loadSet(n).catch(() => {});
    if (signal.aborted) return;
    service.json("v1/models", { signal }).then(({ models }) => this.#inspector.offer(models)).catch(() => {});
  }

  #withoutMap(record) {
    const scores = record.result.top.map((score) => el("li", {}, `${score.label}: ${formatScore(score)}`));
    return panel("no-map", "The map is not available",
      this.#photoUrl && el("img", { class: "preview", src: this.#photoUrl, alt: "The photo" }),
      "The service has no map for this explanation.",
      el("ol", {}, scores), el("button", { class: "primary", onclick: () => this.#submit(record, { cache: false }) }, "Explain again"));
  }

  /** Submit the photo again, and show that explanation. */
  async #submit(record, changes) {
    const { service, signal, location, photos } = this.#context;
    const body = JSON.stringify({ image_id: record.image_id, model: record.model, method: record.method, targets: TARGETS, ...changes });
    const headers = { "Content-Type": "application/json" };
    const { id } = await service.json("v1/explanations", { method: "POST", body, headers, signal });
    photos.set(id, photos.get(record.id) ?? null);
    location.go(`#/e/${id}`);
  }
}
