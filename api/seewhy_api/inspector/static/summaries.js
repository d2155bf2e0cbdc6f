import { pause } from "./elements.js";

const FIRST_PAGE = 100;
const LATER_PAGE = 500;
const MAX_SUMMARIES = 10_000;
const PROJECT_PAGE = 200;
const REFRESH_S = 5;
const IMAGES_AT_ONCE = 4;

/** The summaries of the latest explanations, of the items of a batch, or of a project's annotations. */
export class Summaries {
  #pages = [];

  /** @param {{batch: string, project: string}} source Ids, or empty. */
  constructor(service, { batch, project }) {
    const path = batch ? `v1/batches/${encodeURIComponent(batch)}` : project ? `label-studio/projects/${encodeURIComponent(project)}` : "v1";
    Object.assign(this, { service, path, key: service.key, complete: false });
  }

  /** The summaries in the order of the service: the newest first, or that of the items. */
  get all() {
    const all = [...new Map(this.#pages.flatMap(({ summaries }) => summaries).map((one) => [one.id, one])).values()];
    return this.path !== "v1" ? all : all.sort((a, b) => (a.id < b.id ? 1 : -1));
  }

  /** Load all pages, then read again what changes; `onChange` is called after each page. */
  async follow(onChange, onError, signal) {
    while (!this.complete) {
      const last = this.#pages.at(-1);
      const page = await this.#read({ from: last?.next, limit: this.path.startsWith("l") ? PROJECT_PAGE : last ? LATER_PAGE : FIRST_PAGE, summaries: [] }, signal);
      this.#pages.push(page);
      this.complete = page.next === null || this.#pages.length * LATER_PAGE > MAX_SUMMARIES;
      onChange();
    }
    for (;;) {
      await pause(REFRESH_S, signal);
      const isOpen = ({ from, summaries }) => (!from && this.path === "v1") || summaries.some(({ status }) => /queued|running/.test(status));
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
    const from = page.from ? `&${this.path === "v1" ? "before" : "first"}=${page.from}` : "";
    const { summaries, next } = await this.service.json(`${this.path}/summaries?limit=${page.limit}${from}`, { signal });
    page.summaries = [...page.summaries, ...summaries];
    page.next ??= next;
    return page;
  }
}

/** Draws the images of tiles, a few at once. A browser keeps decoded images, but no canvas that is gone. */
export class Images {
  #waiting = [];
  #active = 0;

  constructor(service) {
    this.service = service;
  }

  /**
   * Draw the image of an explanation on a canvas once it is loaded.
   *
   * @param {function(boolean): void} done Called with whether there is an image.
   * @returns {function(): void} Ends the loading, and releases the image.
   */
  draw({ id, verdict }, canvas, done) {
    const path = `v1/explanations/${id}/overlay?size=240${verdict === "ok" ? "" : "&alpha=0"}`;
    const stop = new AbortController();
    this.#waiting.push({ path, canvas, done, signal: stop.signal });
    this.#next();
    return () => {
      stop.abort();
      canvas.width = 0;
    };
  }

  async #next() {
    this.#waiting = this.#waiting.filter(({ signal }) => !signal.aborted);
    if (this.#active === IMAGES_AT_ONCE || !this.#waiting.length) return;
    const { path, canvas, done, signal } = this.#waiting.shift();
    this.#active++;
    try {
      const response = await this.service.request(path, { signal });
      const image = await createImageBitmap(await response.blob());
      Object.assign(canvas, { width: image.width, height: image.height });
      canvas.getContext("bitmaprenderer").transferFromImageBitmap(image);
      done(true);
    } catch {
      done(false);
    }
    this.#active--;
    this.#next();
  }
}
