import { el } from "./elements.js";

let count = 0;

/**
 * Each control is `{element, show(values)}`: `show` writes the state of the view into it.
 *
 * @param {string} label
 * @param {Array<[*, string]>} options Value and text.
 * @param {function(Object): *} read
 * @param {function(*): void} act Called with the chosen value.
 * @param {string|null} [key] Its shortcut.
 */
export function choice(label, options, read, act, key = null) {
  const name = `choice-${++count}`;
  const inputs = options.map(([value, text]) => {
    const input = el("input", { type: "radio", name, onchange: () => act(value) });
    return { value, input, element: el("label", {}, input, el("span", {}, text)) };
  });
  return {
    element: el("fieldset", { class: "choice", title: key && `Key ${key}` }, el("legend", {}, label), el("div", {}, inputs.map(({ element }) => element))),
    show: (values) => inputs.forEach(({ value, input }) => (input.checked = value === read(values))),
  };
}

/** A list to choose from; values are texts. */
export function select(label, options, read, act) {
  const list = el("select", { onchange: () => act(list.value) }, options.map(([value, text]) => el("option", { value }, text)));
  return {
    element: el("label", { class: "field" }, el("span", {}, label), list),
    show: (values) => (list.value = read(values)),
  };
}

/** A box to check. */
export function check(label, read, act) {
  const input = el("input", { type: "checkbox", onchange: () => act(input.checked) });
  return { element: el("label", { class: "check" }, input, label), show: (values) => (input.checked = read(values)) };
}

/** A slider; `words` is its value in words. */
export function slider(label, range, read, act, words) {
  const input = el("input", { type: "range", "aria-label": label, ...range, oninput: () => act(Number(input.value)) });
  const output = el("span", {});
  return {
    input,
    element: el("label", { class: "field" }, el("span", {}, label, output), input),
    show(values) {
      input.value = read(values);
      const text = words(values);
      output.textContent = text;
      input.setAttribute("aria-valuetext", text);
    },
  };
}
