import { el } from "./elements.js";
import { pause, RETRY_S } from "./service.js";

/**
 * Create a panel that says what is going on: a title, sentences, and what one can do.
 *
 * @param {string} kind For styles and tests, such as `loading`, `failed` or `offline`.
 * @param {string} title
 * @param {...(Node|string|null)} parts
 */
export function panel(kind, title, ...parts) {
  return el("section", { class: "panel", "data-state": kind }, el("h1", {}, title), parts.flat().map((part) =>
    typeof part === "string" ? el("p", {}, part) : part));
}

/** Show a dialog until it is closed. */
export function showDialog(title, ...parts) {
  const dialog = el("dialog", { "aria-label": title, onclose: () => dialog.remove() },
    el("h2", {}, title), parts, el("form", { method: "dialog" }, el("button", {}, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}

/** A panel for what is being loaded; it becomes visible after 0.3 s. */
export function loading(text) {
  return el("h1", { class: "loading muted", "data-state": "loading" }, text);
}

/** Whether an error means that another key is needed. */
export function needsKey({ status, code }) {
  return status === 401 || code === "insufficient_scope";
}

/** Whether an error means that the same request can succeed later. */
export function passes({ status }) {
  return status === 0 || status === 429 || status >= 500;
}

const TITLES = { 404: ["not-found", "There is no such explanation"], 410: ["expired", "This explanation is no longer kept"] };

/**
 * Create the panel for an error of the service.
 *
 * @param {import("./service.js").ServiceError|Error} error
 * @param {{service: import("./service.js").Service, retry: function(): void, signal: AbortSignal}} options
 *   `retry` is called by a button, by the right key, and by itself while the service does not answer.
 */
export function failure(error, { service, retry, signal }) {
  const { status = null, code, message } = error;
  if (needsKey(error)) return keyPanel(error, service, retry);
  if (passes(error)) {
    const isOffline = status !== 429;
    return panel(isOffline ? "offline" : "busy", isOffline ? "The service does not answer" : "The service is busy",
      status ? message : "Check the network, and whether the service runs.", retryLine(error.retryAfterS ?? RETRY_S, retry, signal));
  }
  const [kind, title] = TITLES[status] ?? ["failed", "This did not work"];
  const sentence = status === null ? "The page has met an error. Load it again." : message;
  return panel(kind, title, sentence, code && el("p", { class: "muted" }, `Code: ${code}`),
    el("p", { class: "line" }, el("button", { onclick: retry }, "Try again"), el("a", { class: "button", href: "#/new" }, "Explain a photo")));
}

function retryLine(seconds, retry, signal) {
  const left = el("span", { class: "muted" });
  const stop = new AbortController();
  const again = () => {
    stop.abort();
    retry();
  };
  const count = async () => {
    for (let rest = Math.ceil(seconds); rest > 0; rest--) {
      left.textContent = `The page tries again in ${rest} s.`;
      await pause(1, AbortSignal.any([signal, stop.signal]));
    }
    again();
  };
  count().catch(() => {});
  return el("p", { class: "line" }, el("button", { onclick: again }, "Try again"), left);
}

/** Ask for a key; it stays in this tab, and never becomes part of an address. */
function keyPanel({ status, message }, service, retry) {
  const input = el("input", { type: "password", autocomplete: "off", required: true, id: "api-key" });
  const keep = (event) => {
    event.preventDefault();
    service.key = input.value.trim();
    retry();
  };
  const title = status === 401 ? "This service asks for a key" : "This key may not do this";
  return panel("unauthorized", title, service.key ? message : "Explanations are shown to people with a key.",
    el("form", { class: "line", onsubmit: keep }, el("label", { for: "api-key" }, "API key"), input,
      el("button", { class: "primary" }, "Use the key")),
    el("p", { class: "muted" }, "The key is kept until this tab is closed. An administrator makes keys with seewhy keys create."));
}
