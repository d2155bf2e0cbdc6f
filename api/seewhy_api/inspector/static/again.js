import { el, field, listOf, offer } from "./elements.js";
import { requested } from "./explanation.js";

/**
 * A form that asks for another explanation of the same photo.
 *
 * @param {Object} record
 * @param {function(Object): Promise<void>} submit Called with the fields of a request.
 */
export function again(record, submit) {
  const method = listOf([record.result.method]);
  const wanted = el("input", { placeholder: "such as tabby or 281" });
  const error = el("p", { class: "bad", role: "alert" });
  const send = (event) => {
    event.preventDefault();
    error.textContent = "";
    submit({ method: method.value, targets: targetsOf(record, wanted.value.trim()) })
      .catch(({ message }) => (error.textContent = message));
  };
  return {
    element: el("details", {}, el("summary", {}, "Explain this photo again"),
      el("form", { class: "grid", onsubmit: send }, field("Method", method), field("Another class", wanted),
        el("button", { class: "primary" }, "Explain"), error)),
    show() {},
    /** Offer the methods of the model. */
    offer(methods) {
      offer(method, new Set([method.value, ...methods]));
    },
  };
}

/** Return the targets of a request: those of the record, and a class by name or index. */
export function targetsOf({ result }, wanted = "") {
  const targets = result.targets.map((target) => requested(target, result.method));
  const added = /^\d+$/.test(wanted) ? Number(wanted) : wanted;
  return wanted && !targets.includes(added) ? [...targets, added] : targets;
}
