import { pathOf, pause } from "./service.js";

const PAGE = 500;
const FIRST_PAGE = 100;
const PROJECT_PAGE = 200;
const MAX_SUMMARIES = 10_000;
const REFRESH_S = 5;
const IMAGES_AT_ONCE = 4;

/** The summaries of the latest explanations, of the items of a batch, or of a project's annotations. */
export class Summaries {
  #pages = [];

  /** @param {{batch: string, project: string}} source Ids, or empty. */
  constructor(service, { batch, project }) {
    const path = batch ? `v1/batches/${encodeURIComponent(batch)}` : project ? `label-studio/projects/${encodeURIComponent(project)}` : "v1";
    Object.assign(this, { service, path, key: service.key, isLatest: path === "v1", complete: false, limit: project ? PROJECT_PAGE : FIRST_PAGE });
  }

  /** The summaries in the order of the service: the newest first, or that of the items. */
  get all() {
    const all = [...new Map(this.#pages.flatMap(({ known }) => [...known])).values()];
    return this.isLatest ? all.sort((a, b) => (a.id < b.id ? 1 : -1)) : all;
  }

  /** Load all pages, then read again what changes; `onChange` is called after each page. */
  async follow(onChange, onError, signal) {
    while (!this.complete) {
      const page = await this.#read({ from: this.#pages.at(-1)?.next, limit: this.limit, known: new Map() }, signal);
      this.#pages.push(page);
      if (this.limit === FIRST_PAGE) this.limit = PAGE;
      this.complete = page.next === null || this.#pages.length * PAGE > MAX_SUMMARIES;
      onChange();
    }
    for (;;) {
      await pause(REFRESH_S, signal);
      const isOpen = ({ from, known }) => (!from && this.isLatest) || [...known.values()].some(({ status }) => /queued|running/.test(status));
      try {
        if (!document.hidden) await Promise.all(this.#pages.filter(isOpen).map((page) => this.#read(page, signal)));
        onError(null);
      } catch (error) {
        signal.throwIfAborted();
        onError(error);
      }
      onChange();
    }
  }

  /** Read a page, and keep what it had before. */
  async #read(page, signal) {
    const from = page.from ? `&${this.isLatest ? "before" : "first"}=${page.from}` : "";
    const { summaries, next } = await this.service.json(`${this.path}/summaries?limit=${page.limit}${from}`, { signal });
    for (const one of summaries) page.known.set(one.id, one);
    page.next ??= next;
    return page;
  }
}

/** Draws the images of tiles, a few at once. A browser keeps decoded images, but no canvas that is gone. */
export class Images {
  #waiting = new Set();
  #active = 0;

  constructor(service) {
    this.service = service;
  }

  /**
   * Draw the image of an explanation on a canvas once it is loaded.
   *
   * @param {function(): void} onFailure Called when there is no image.
   * @returns {function(): void} Ends the loading, and releases the image.
   */
  draw({ id, verdict }, canvas, onFailure) {
    const path = `${pathOf(id)}/overlay?size=240${verdict === "ok" ? "" : "&alpha=0"}`;
    const stop = new AbortController();
    const wanted = { path, canvas, onFailure, signal: stop.signal };
    this.#waiting.add(wanted);
    this.#next();
    return () => {
      this.#waiting.delete(wanted);
      stop.abort();
      canvas.width = 0;
    };
  }

  async #next() {
    const [wanted] = this.#waiting;
    if (this.#active === IMAGES_AT_ONCE || !wanted) return;
    this.#waiting.delete(wanted);
    this.#active++;
    const { path, canvas, onFailure, signal } = wanted;
    try {
      const image = await createImageBitmap(await this.service.blob(path, signal));
      Object.assign(canvas, { width: image.width, height: image.height, hidden: false });
      canvas.getContext("bitmaprenderer").transferFromImageBitmap(image);
    } catch {
      onFailure();
    }
    this.#active--;
    this.#next();
  }
}
