/** The address of the service: the page's files lie two folders below it. */
export const ROOT = new URL("../../", import.meta.url);
export const pathOf = (id) => `v1/explanations/${encodeURIComponent(id)}`;
const KEY = "seewhy-api-key";
export const POLL_S = 1;
/** The wait before the next try, in seconds, when the service names none. */
export const RETRY_S = 5;

/** Wait, unless the signal ends the wait first; rejects with its reason then. */
export async function pause(seconds, signal) {
  signal.throwIfAborted();
  await new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
    setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
  });
}

/** An answer that is an error, or no answer: then the status is 0. */
export class ServiceError extends Error {
  constructor(status, code, message, retryAfterS = null) {
    super(message);
    Object.assign(this, { status, code, retryAfterS });
  }
}

/** Requests to the API, with the key of this tab. */
export class Service {
  get key() {
    return sessionStorage.getItem(KEY) ?? "";
  }

  set key(key) {
    if (key) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
  }

  /**
   * Send a request.
   *
   * @param {string} path Below the service, such as `v1/models`.
   * @param {RequestInit} [options]
   * @returns {Promise<Response>} A response that is not an error. Rejects with `ServiceError`, or
   *   with the reason of `options.signal`.
   */
  async request(path, options = {}) {
    const headers = new Headers(options.headers);
    if (this.key) headers.set("Authorization", `Bearer ${this.key}`);
    let response;
    try {
      response = await fetch(new URL(path, ROOT), { ...options, headers });
    } catch {
      options.signal?.throwIfAborted();
      throw new ServiceError(0, "offline", "The service does not answer.");
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }

  async json(path, options) {
    return (await this.request(path, options)).json();
  }

  async blob(path, signal) {
    return (await this.request(path, { signal })).blob();
  }

  /** Submit an explanation of an image that the service has. Returns its id. */
  async explain(request, signal) {
    const headers = { "Content-Type": "application/json" };
    const { id } = await this.json("v1/explanations", { method: "POST", body: JSON.stringify(request), headers, signal });
    return id;
  }

  /** Submit an explanation of a file. Returns its id. */
  async explainFile(file, request, signal) {
    const body = new FormData();
    body.append("request", JSON.stringify(request));
    body.append("image", file, file.name || "photo");
    const { id } = await this.json("v1/explanations", { method: "POST", body, signal });
    return id;
  }

  /** Return what the catalog says of a model; no methods when the service does not say. */
  async model(model, signal) {
    const { models } = await this.json("v1/models", { signal }).catch(() => ({ models: [] }));
    return models.find(({ name }) => name === model) ?? { methods: [] };
  }

  /**
   * Follow an explanation to its end: by events, and by polling for its position in the queue and
   * when there are no events.
   *
   * @param {string} id
   * @param {function(Object, Error=): void} onRecord Called with each record that was read; with the
   *   last one and an error while the service does not answer.
   * @param {AbortSignal} signal
   * @returns {Promise<Object>} The record of the outcome.
   */
  async follow(id, onRecord, signal) {
    const end = new AbortController();
    const both = AbortSignal.any([signal, end.signal]);
    let [record, events, wake] = [];
    try {
      for (;;) {
        let waitS = POLL_S;
        try {
          record = await this.json(pathOf(id), { signal });
          onRecord(record);
          if (record.finished_at !== null) return record;
          events ??= this.#listen(`${pathOf(id)}/events`, () => wake?.(), both).catch(() => {});
        } catch (error) {
          if (!record || (error.status > 0 && error.status < 429)) throw error;
          onRecord(record, error);
          waitS = error.retryAfterS ?? RETRY_S;
        }
        await Promise.race([new Promise((done) => (wake = done)), pause(waitS, both)]);
      }
    } finally {
      end.abort();
    }
  }

  async #listen(path, onEvent, signal) {
    const reader = (await this.request(path, { signal })).body.getReader();
    while (!(await reader.read()).done) onEvent();
  }
}

async function errorOf(response) {
  const { status, headers } = response;
  const { code, detail, title } = await response.json().catch(() => ({ code: "unreadable" }));
  const message = detail ?? title ?? `The service answered with the status ${status}.`;
  return new ServiceError(status, code, message, Number(headers.get("Retry-After")) || null);
}
