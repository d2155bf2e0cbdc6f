import { el, field, fill, listOf, offer } from "./elements.js";
import { InputFields } from "./inputs.js";
import { targetsFor } from "./inspect.js";
import { progressWords } from "./progress.js";
import { POLL_S, RETRY_S, pause } from "./service.js";
import { failure, needsKey } from "./states.js";

const SAMPLES = [["cat.jpg", "A cat"], ["coffee.jpg", "A cup of coffee"], ["rocket.jpg", "A rocket"]];
const MAX_FILES = 100;

/** Show where a photo is chosen. */
export async function mountSubmission(root, context) {
  const screen = new Submission(root, context);
  await screen.start();
  return screen;
}

class Submission {
  #root;
  #context;
  #model = listOf([], () => this.#offerMethods());
  #method = listOf([]);
  #inputs = new InputFields();
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
    try {
      const { models, default: chosen } = await service.json("v1/models", { signal });
      this.#models = models;
      offer(this.#model, models.map(({ name }) => name));
      this.#model.value = chosen;
      this.#offerMethods();
    } catch (error) {
      this.#fail(error);
      return;
    }
    const input = el("input", { type: "file", accept: "image/jpeg,image/png,image/webp", multiple: true, class: "hidden-text", onchange: () => this.take(input.files) });
    const samples = SAMPLES.map(([name, label]) => {
      const src = new URL(name, import.meta.url).pathname;
      return el("button", { class: "sample", onclick: () => this.#takeSample(src, name) },
        el("img", { src, alt: "", width: 120, height: 80 }), label);
    });
    fill(this.#root, el("section", { class: "submit" },
      el("h1", {}, "Why did the model say that?"),
      el("label", { class: "drop" }, el("strong", {}, "Drop photos here"), el("span", { class: "muted" }, "or paste one: JPEG, PNG or WebP"), input, el("span", { class: "button" }, "Choose files")),
      this.#error, this.#rows,
      el("div", { class: "line" }, field("Model", this.#model), field("Method", this.#method)), this.#inputs.element,
      el("h2", {}, "Or try one of these"), el("div", { class: "samples" }, samples)));
    this.take(this.#context.takeDropped());
  }

  #fail(error) {
    const { service, signal } = this.#context;
    if (!signal.aborted) fill(this.#root, failure(error, { service, signal, retry: () => this.start() }));
  }

  get #chosen() {
    return this.#models.find(({ name }) => name === this.#model.value);
  }

  #offerMethods() {
    const { methods, inputs } = this.#chosen;
    offer(this.#method, methods.map(({ name }) => name));
    this.#inputs.offer(inputs);
  }

  async #takeSample(src, name) {
    const response = await fetch(src);
    this.take([new File([await response.blob()], name, { type: "image/jpeg" })]);
  }

  /** Submit files; the explanation of a single one is shown at once. */
  async take(files) {
    const inputs = this.#inputs.read();
    if (!inputs) return;
    const chosen = [...files].slice(0, MAX_FILES);
    this.#error.textContent = files.length > MAX_FILES ? `Only the first ${MAX_FILES} files are explained.` : "";
    for (const file of chosen) {
      const id = await this.#addRow(file, inputs);
      if (id && chosen.length === 1) this.#context.location.go(`#/e/${id}`);
    }
  }

  /** Submit a file; while the service takes no more, wait for as long as it says. */
  async #submit(file, inputs, words) {
    const { service, signal } = this.#context;
    const request = { model: this.#model.value, method: this.#method.value, inputs, targets: targetsFor(this.#chosen) };
    for (;;) {
      try {
        return await service.explainFile(file, request, signal);
      } catch (error) {
        if (error.status !== 429) throw error;
        const seconds = error.retryAfterS ?? RETRY_S;
        words.textContent = `The service takes no more now; the next try is in ${Math.ceil(seconds)} s.`;
        await pause(seconds, signal);
      }
    }
  }

  /** Submit a file, and follow it in a row of its own. Returns its id, unless it is refused. */
  async #addRow(file, inputs) {
    const words = el("span", { class: "muted" }, "Sending …");
    const name = el("span", {}, file.name);
    this.#rows.append(el("li", {}, name, words));
    try {
      const id = await this.#submit(file, inputs, words);
      this.#context.photos.set(id, URL.createObjectURL(file));
      fill(name, el("a", { href: `#/e/${id}` }, file.name));
      this.#open.set(id, words);
      if (this.#open.size === 1) this.#follow().catch(() => {});
      return id;
    } catch (error) {
      if (needsKey(error)) this.#fail(error);
      this.#inputs.refuse(error);
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
        this.#open.get(record.id).textContent = record.finished_at === null ? progressWords(record)
          : record.result?.top[0].label ?? record.error?.detail ?? record.status;
        if (record.finished_at !== null) this.#open.delete(record.id);
      }
    }
  }
}
