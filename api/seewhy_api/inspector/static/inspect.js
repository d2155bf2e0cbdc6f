import { targetsOf } from "./again.js";
import { el, fill } from "./elements.js";
import { loadMaps, loadPhoto, mapData, mapSets } from "./explanation.js";
import { Inspector } from "./inspector.js";
import { readView } from "./location.js";
import { ended, progress } from "./progress.js";
import { pathOf } from "./service.js";
import { failure, loading, needsKey, panel } from "./states.js";
import { FIELDS } from "./view.js";
import { formatScore } from "./viewer.js";

const MAX_TARGETS = 5;

/** Return what the page asks a model for: its most probable classes, or its first outputs. */
export function targetsFor({ scores, classes = MAX_TARGETS }) {
  const count = Math.min(classes, MAX_TARGETS);
  return scores === "values" ? [...Array(count).keys()] : `top:${count}`;
}

/** Show one explanation, whatever its state. */
export async function mountInspect(root, context) {
  const screen = new Screen(root, context);
  screen.start();
  return screen;
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
    const { service, signal, announce } = this.#context;
    fill(this.#root, loading("Loading the explanation …"));
    try {
      const record = await this.#follow();
      if (record.status === "succeeded") await this.#inspect(record);
      else fill(this.#root, ended(record, () => this.#submit(record, {}), announce));
    } catch (error) {
      if (signal.aborted) return;
      fill(this.#root, failure(error, { service, signal, retry: () => this.start() }));
      announce(this.#root.querySelector("h1").textContent);
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
    let shown = null;
    let status = null;
    const cancel = () => service.json(`${pathOf(this.#id)}/cancel`, { method: "POST", signal })
      .catch(({ message }) => announce(message, true));
    return service.follow(this.#id, (record, error) => {
      if (record.finished_at !== null) return;
      if (!shown) {
        shown = progress(photos.get(this.#id), cancel);
        fill(this.#root, shown.element);
      }
      shown.show(record, error);
      if (status !== record.status) announce(record.status === "running" ? "The explanation runs." : "The explanation waits in the queue.");
      status = record.status;
    }, signal);
  }

  async #inspect(record) {
    const { service, signal, announce, location } = this.#context;
    const { result } = record;
    const sets = mapSets(result);
    const { set: wanted } = readView(location.current.params, FIELDS).values;
    const first = wanted in sets ? wanted : 0;
    const photo = loadPhoto(service, this.#id, signal);
    const model = service.model(record.model, signal);
    const known = sets.map(() => null);
    const loadSet = async (n) => {
      const maps = await loadMaps(service, this.#id, sets[n], signal);
      return (known[n] ??= mapData(result, sets[n], maps, await photo));
    };
    const data = await loadSet(first).catch((error) => {
      if (needsKey(error) || error.status === 0 || error.status === 429 || signal.aborted) throw error;
    });
    this.#photoUrl = await photo;
    signal.throwIfAborted();
    const submit = (changes) => this.#submit(record, changes);
    if (!data) {
      fill(this.#root, this.#withoutMap(record, submit));
      return;
    }
    this.#inspector = new Inspector(this.#context, record, { known, loadSet, sets, submit, model });
    fill(this.#root, this.#inspector.element);
    this.#inspector.start();
    announce(`${result.top[0].label}: ${this.#inspector.map.sentence}`);
    for (const n of sets.keys()) if (!known[n]) await loadSet(n).catch(() => {});
  }

  #withoutMap({ result }, submit) {
    return panel("no-map", "The map is not available",
      this.#photoUrl && el("img", { class: "preview", src: this.#photoUrl, alt: "The photo" }),
      "The service has no map for this explanation.",
      el("ol", {}, result.top.map((score) => el("li", {}, `${score.label}: ${formatScore(score)}`))),
      el("button", { class: "primary", onclick: () => submit({ cache: false }) }, "Explain again"));
  }

  /** Submit the photo again, and show that explanation. */
  async #submit({ id: known, image_id, model, method, inputs, result }, changes) {
    const { service, signal, location, photos } = this.#context;
    const targets = changes.targets ?? (result ? targetsOf({ result }) : targetsFor(await service.model(model, signal)));
    const id = await service.explain({ image_id, model, method, inputs, ...changes, targets }, signal);
    photos.set(id, photos.get(known));
    location.go(`#/e/${id}`);
  }
}
