import { el } from "./elements.js";
import { requested } from "./explanation.js";

/**
 * A form that asks for another explanation of the same photo.
 *
 * @param {Object} record
 * @param {function(Object): Promise<void>} submit Called with the fields of a request.
 */
export function again(record, submit) {
  const method = el("select", {}, el("option", { value: record.result.method }, record.result.method));
  const wanted = el("input", { type: "text", placeholder: "such as tabby or 281" });
  const measure = el("input", { type: "checkbox" });
  const error = el("p", { class: "bad", role: "alert" });
  const send = async (event) => {
    event.preventDefault();
    error.textContent = "";
    const targets = targetsOf(record, wanted.value.trim());
    const outputs = measure.checked ? ["overlay", "trust"] : ["overlay"];
    try {
      await submit({ method: method.value, targets, outputs });
    } catch (refusal) {
      error.textContent = refusal.message;
    }
  };
  return {
    element: el("details", {}, el("summary", {}, "Explain this photo again"),
      el("form", { class: "stack", onsubmit: send },
        el("label", { class: "field" }, el("span", {}, "Method"), method),
        el("label", { class: "field" }, el("span", {}, "Another class"), wanted),
        el("label", { class: "check" }, measure, "Measure trust"),
        error, el("button", { class: "primary" }, "Explain"))),
    show() {},
    /** Offer the methods of the model. */
    offer(models) {
      const model = models.find(({ name }) => name === record.model);
      const missing = (model?.methods ?? []).filter(({ name }) => name !== record.result.method);
      method.append(...missing.map(({ name }) => el("option", { value: name }, name)));
    },
  };
}

/** Return the targets of a request: those of the record, and a class by name or index. */
export function targetsOf({ result }, wanted = "") {
  const targets = result.targets.map((target) => requested(target, result.method));
  const added = /^\d+$/.test(wanted) ? Number(wanted) : wanted;
  return wanted && !targets.includes(added) ? [...targets, added] : targets;
}
