import { pause } from "./elements.js";

/** The address of the service: the page's files lie two folders below it. */
export const ROOT = new URL("../../", import.meta.url);
const KEY = "seewhy-api-key";
export const POLL_S = 1;
/** The wait before the next try, in seconds, when the service names none. */
export const RETRY_S = 5;

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
      response = await fetch(new URL(path.replace(/^\//, ""), ROOT), { ...options, headers });
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

  async bytes(path, options) {
    return (await this.request(path, options)).arrayBuffer();
  }

  /** Fetch a file as the address of a blob, which the caller revokes. */
  async blobUrl(path, options) {
    return URL.createObjectURL(await (await this.request(path, options)).blob());
  }

  /** Submit an explanation of a file. Returns its record. */
  submit(file, request, options = {}) {
    const body = new FormData();
    body.append("request", JSON.stringify(request));
    body.append("image", file, file.name || "photo");
    return this.json("v1/explanations", { ...options, method: "POST", body });
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
    const events = new AbortController();
    const both = AbortSignal.any([signal, events.signal]);
    let changed = null;
    try {
      for (let record = null; ; ) {
        try {
          record = await this.json(`v1/explanations/${encodeURIComponent(id)}`, { signal });
        } catch (error) {
          if (!record || (error.status > 0 && error.status < 429)) throw error;
          onRecord(record, error);
          await pause(error.retryAfterS ?? RETRY_S, both);
          continue;
        }
        onRecord(record);
        if (record.finished_at !== null) return record;
        changed ??= this.#nextEvent(id, both);
        await Promise.race([changed.next, pause(POLL_S, both)]);
        if (changed.arrived) changed = changed.continued();
      }
    } finally {
      events.abort();
    }
  }

  /** Return the next event; it stays open when there are no events. */
  #nextEvent(id, signal) {
    const chunks = this.#chunks(id, signal);
    const wait = () => {
      const state = { arrived: false, continued: wait };
      state.next = chunks.next().then(({ done }) => (done ? new Promise(() => {}) : (state.arrived = true)));
      return state;
    };
    return wait();
  }

  async *#chunks(id, signal) {
    try {
      const { body } = await this.request(`v1/explanations/${encodeURIComponent(id)}/events`, { signal });
      const reader = body.getReader();
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) yield chunk.value;
    } catch {
      // Polling goes on.
    }
  }
}

async function errorOf(response) {
  const retryAfterS = Number(response.headers.get("Retry-After")) || null;
  try {
    const { code, detail, title } = await response.json();
    return new ServiceError(response.status, code, detail ?? title, retryAfterS);
  } catch {
    const message = `The service answered with the status ${response.status}.`;
    return new ServiceError(response.status, "unreadable", message, retryAfterS);
  }
}
