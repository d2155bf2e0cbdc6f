import { copyText } from "./downloads.js";
import { el, fill } from "./elements.js";
import { panel } from "./states.js";

const ENDED_TITLES = {
  failed: "The explanation failed",
  cancelled: "The explanation was cancelled",
  expired: "The explanation was not done in time",
};

/** Say about how long something takes. */
export function duration(seconds) {
  if (seconds < 1.5) return "about a second";
  return seconds < 90 ? `about ${Math.round(seconds)} s` : `about ${Math.round(seconds / 60)} min`;
}

/** Say where an open explanation is, in one sentence. */
export function progressWords({ status, queue_position: position, eta_s: left }) {
  const time = left ? `, done in ${duration(left.p50)}` : "";
  if (status === "running") return `A worker explains the photo${time}.`;
  return position ? `Number ${position} in the queue${time}.` : `In the queue${time}.`;
}

/**
 * Show an open explanation.
 *
 * @param {string|null} photoUrl The photo, when this page has sent it.
 * @param {function(): void} cancel
 * @returns {{element: HTMLElement, show: function(Object, Error=): void}}
 */
export function progress(photoUrl, cancel) {
  const words = el("p", {});
  const warnings = el("div", { class: "muted" });
  const button = el("button", { onclick: () => {
    button.disabled = true;
    cancel();
  } }, "Cancel");
  const title = el("h1", {});
  const element = el("section", { class: "panel" }, photoUrl && el("img", { class: "preview", src: photoUrl, alt: "" }),
    title, words, el("progress", { "aria-label": "Progress" }), warnings, button);
  return {
    element,
    show(record, error) {
      const isRunning = record.status === "running";
      element.dataset.state = record.status;
      title.textContent = isRunning ? "Explaining" : "Waiting for a worker";
      words.textContent = progressWords(record);
      const details = error ? [`The service does not answer: ${error.message} The page tries again.`] : record.warnings.map(({ detail }) => detail);
      fill(warnings, details.map((detail) => el("p", {}, detail)));
      if (record.cancel_requested) button.disabled = true;
    },
  };
}

/** Show an explanation that has ended without a result; `again` submits it again. */
export function ended({ id, status, error }, again, announce) {
  const copy = el("button", { onclick: () => copyText(id, announce) }, "Copy the id");
  return panel(status, ENDED_TITLES[status] ?? status, error?.detail ?? "",
    error && el("p", { class: "muted" }, `Code: ${error.code}. Id: ${id}`),
    el("p", { class: "line" }, el("button", { class: "primary", onclick: again }, "Explain again"), copy));
}
