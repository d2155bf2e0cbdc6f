import { el, field, listOf } from "./elements.js";

let count = 0;

/**
 * Each control is `{element, show(values)}`: `show` writes the state of the view into it.
 *
 * @param {string} label
 * @param {Array<[*, string]>} choices Value and text.
 * @param {function(Object): *} read
 * @param {function(*): void} act Called with the chosen value.
 * @param {string} key Its shortcut.
 */
export function choice(label, choices, read, act, key) {
  const name = `choice-${++count}`;
  const inputs = choices.map(([value]) => el("input", { type: "radio", name, onchange: () => act(value) }));
  return {
    element: el("fieldset", { class: "choice", title: `Key ${key}` }, el("legend", {}, label),
      el("div", {}, choices.map(([, text], n) => el("label", {}, inputs[n], el("span", {}, text))))),
    show: (values) => inputs.forEach((input, n) => (input.checked = choices[n][0] === read(values))),
  };
}

/** A list to choose from; values are texts. */
export function select(label, choices, read, act) {
  const list = listOf(choices, act);
  return { element: field(label, list), show: (values) => (list.value = read(values)) };
}

/** A box to check. */
export function check(label, read, act) {
  const input = el("input", { type: "checkbox", onchange: () => act(input.checked) });
  return { element: el("label", { class: "check" }, input, label), show: (values) => (input.checked = read(values)) };
}

/** A slider; `words` says the value in words. */
export function slider(label, range, read, act, words) {
  const input = el("input", { type: "range", "aria-label": label, ...range, oninput: () => act(Number(input.value)) });
  const output = el("span");
  return {
    element: field([label, output], input),
    show(values) {
      input.value = read(values);
      output.textContent = words(values);
      input.setAttribute("aria-valuetext", words(values));
    },
  };
}
