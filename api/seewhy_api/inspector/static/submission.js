import { el, fill, pause } from "./elements.js";
import { TARGETS } from "./inspect.js";
import { progressWords } from "./progress.js";
import { POLL_S, RETRY_S } from "./service.js";
import { failure, needsKey } from "./states.js";

const SAMPLES = [["cat.jpg", "A cat"], ["coffee.jpg", "A cup of coffee"], ["rocket.jpg", "A rocket"]];
const MAX_FILES = 100;

/** Show where a photo is chosen. */
export async function mountSubmission(root, context) {
  const screen = new Submission(root, context);
  screen.start();
  return { update() {}, unmount() {}, take: (files) => screen.take(files) };
}

class Submission {
  #root;
  #context;
  #model = el("select", { id: "model" });
  #method = el("select", { id: "method" });
  #models = [];
  /** The ids of explanations that have not ended, and where their words are. */
  #open = new Map();
  #rows = el("ul", { class: "rows" });
  #error = el("p", { class: "bad", role: "alert" });

  constructor(root, context) {
    this.#root = root;
    this.#context = context;
  }

  async start() {
    const { service, signal } = this.#context;
    const input = el("input", { type: "file", id: "photo", accept: "image/jpeg,image/png,image/webp", multiple: true, class: "hidden-text", onchange: () => this.take(input.files) });
    const samples = SAMPLES.map(([name, label]) => el("button", { class: "sample", onclick: () => this.#takeSample(name) },
      el("img", { src: new URL(name, import.meta.url).pathname, alt: "", width: 120, height: 80 }), label));
    fill(this.#root, el("section", { class: "submit" },
      el("h1", {}, "Why did the model say that?"),
      el("label", { class: "drop", for: "photo" }, el("strong", {}, "Drop photos here"), el("span", { class: "muted" }, "or paste one: JPEG, PNG or WebP"), input, el("span", { class: "button" }, "Choose files")),
      this.#error, this.#rows,
      el("div", { class: "line" },
        el("label", { class: "field" }, el("span", {}, "Model"), this.#model),
        el("label", { class: "field" }, el("span", {}, "Method"), this.#method)),
      el("h2", {}, "Or try one of these"), el("div", { class: "samples" }, samples)));
    this.#model.addEventListener("change", () => this.#offerMethods());
    this.take(this.#context.takeDropped());
    try {
      const { models, default: chosen } = await service.json("v1/models", { signal });
      this.#models = models;
      this.#model.append(...models.map(({ name }) => el("option", { value: name }, name)));
      this.#model.value = chosen;
      this.#offerMethods();
    } catch (error) {
      if (!signal.aborted) fill(this.#root, failure(error, { service, signal, retry: () => this.start() }));
    }
  }

  #offerMethods() {
    const model = this.#models.find(({ name }) => name === this.#model.value);
    fill(this.#method, model.methods.map(({ name }) => el("option", { value: name }, name)));
  }

  async #takeSample(name) {
    const response = await fetch(new URL(name, import.meta.url));
    this.take([new File([await response.blob()], name, { type: "image/jpeg" })]);
  }

  /** Submit files; the explanation of a single one is shown at once. */
  async take(files) {
    const chosen = [...files].slice(0, MAX_FILES);
    this.#error.textContent = files.length > MAX_FILES ? `Only the first ${MAX_FILES} files are explained.` : "";
    for (const file of chosen) {
      const id = await this.#addRow(file);
      if (id && chosen.length === 1) this.#context.location.go(`#/e/${id}`);
    }
  }

  async #submit(file) {
    const { service, signal, photos } = this.#context;
    const request = { targets: TARGETS };
    if (this.#model.value) Object.assign(request, { model: this.#model.value, method: this.#method.value });
    const { id } = await service.submit(file, request, { signal });
    photos.set(id, URL.createObjectURL(file));
    return id;
  }

  /** Submit a file; while the service takes no more, wait for as long as it says. */
  async #submitInTurn(file, words) {
    for (;;) {
      try {
        return await this.#submit(file);
      } catch (error) {
        if (error.status !== 429) throw error;
        const seconds = error.retryAfterS ?? RETRY_S;
        words.textContent = `The service takes no more now; the next try is in ${Math.ceil(seconds)} s.`;
        await pause(seconds, this.#context.signal);
      }
    }
  }

  /** Submit a file, and follow it in a row of its own. Returns its id, unless it is refused. */
  async #addRow(file) {
    const { service, signal } = this.#context;
    const words = el("span", { class: "muted" }, "Sending …");
    const name = el("span", {}, file.name);
    this.#rows.append(el("li", {}, name, words));
    try {
      const id = await this.#submitInTurn(file, words);
      fill(name, el("a", { href: `#/e/${id}` }, file.name));
      this.#open.set(id, words);
      if (this.#open.size === 1) this.#follow().catch(() => {});
      return id;
    } catch (error) {
      if (needsKey(error)) fill(this.#root, failure(error, { service, signal, retry: () => this.start() }));
      words.textContent = error.message;
      words.className = "bad";
      return null;
    }
  }

  /** Follow all files with one request at a time: a browser allows few connections. */
  async #follow() {
    const { service, signal } = this.#context;
    while (this.#open.size) {
      await pause(POLL_S, signal);
      const ids = [...this.#open.keys()].slice(0, MAX_FILES);
      const { explanations } = await service.json(`v1/explanations?ids=${ids}`, { signal }).catch(() => ({ explanations: [] }));
      for (const record of explanations) {
        this.#open.get(record.id).textContent = rowWords(record);
        if (record.finished_at !== null) this.#open.delete(record.id);
      }
    }
  }
}

function rowWords(record) {
  if (record.finished_at === null) return progressWords(record);
  return record.result?.top[0].label ?? record.error?.detail ?? record.status;
}
