/** Elements that a script makes. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Create an element.
 *
 * @param {string} tag
 * @param {Object} [props] Functions become listeners of `on…`, booleans and `value` properties, all
 *   others attributes. null and undefined are left out.
 * @param {...(Node|string|number|null|false|Array)} children
 * @returns {Element}
 */
export function el(tag, props = {}, ...children) {
  const isDrawing = tag === "svg" || tag === "path";
  const element = isDrawing ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value == null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || typeof value === "boolean") element[name] = value;
    else element.setAttribute(name, value);
  }
  return fill(element, children);
}

/** Replace the children of an element, without null and false. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/** Label a control. */
export function field(text, ...controls) {
  return el("label", { class: "field" }, el("span", {}, text), controls);
}

/** A list to choose from, of texts or of `[value, text]`; `act` gets the chosen value. */
export function listOf(choices, act, props = {}) {
  const list = el("select", { onchange: () => act?.(list.value), ...props });
  offer(list, choices);
  return list;
}

/** Replace what a list offers. */
export function offer(list, choices) {
  fill(list, [...choices].map((choice) => {
    const [value, text = value] = [choice].flat();
    return el("option", { value }, text);
  }));
}
