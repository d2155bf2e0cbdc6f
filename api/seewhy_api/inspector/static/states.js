import { el } from "./elements.js";

/**
 * Create a panel that says what is going on: a title, a sentence, and what one can do.
 *
 * @param {string} kind For styles and tests, such as `loading`, `failed` or `offline`.
 * @param {string} title
 * @param {...(Node|string|null)} parts
 */
export function panel(kind, title, ...parts) {
  return el("section", { class: "panel", dataset: { state: kind } }, el("h1", {}, title), parts.map((part) =>
    typeof part === "string" ? el("p", {}, part) : part));
}
