import { el, field, listOf, offer } from "./elements.js";
import { requested } from "./explanation.js";
import { InputFields } from "./inputs.js";

/**
 * A form that asks for another explanation of the same photo.
 *
 * @param {Object} record
 * @param {function(Object): Promise<void>} submit Called with the fields of a request.
 * @param {Promise<{methods: Object[]}>} model
 */
export function again(record, submit, model) {
  const method = listOf([record.result.method]);
  const wanted = el("input", { placeholder: "such as tabby or 281" });
  const inputs = new InputFields();
  const error = el("p", { class: "bad", role: "alert" });
  inputs.offer(record.inputs);
  model.then(({ methods }) => offer(method, new Set([method.value, ...methods.map(({ name }) => name)])));
  const send = (event) => {
    event.preventDefault();
    error.textContent = "";
    const values = inputs.read();
    if (values) submit({ method: method.value, targets: targetsOf(record, wanted.value.trim()), inputs: values })
      .catch((refused) => inputs.refuse(refused) || (error.textContent = refused.message));
  };
  return {
    element: el("details", {}, el("summary", {}, "Explain this photo again"),
      el("form", { class: "grid", onsubmit: send }, field("Method", method), field("Another class", wanted), inputs.element,
        el("button", { class: "primary" }, "Explain"), error)),
    show() {},
  };
}

/** Return the targets of a request: those of the record, and a class by name or index. */
export function targetsOf({ result }, wanted = "") {
  const targets = result.targets.map((target) => requested(target, result.method));
  const added = /^\d+$/.test(wanted) ? Number(wanted) : wanted;
  return wanted && !targets.includes(added) ? [...targets, added] : targets;
}
