import { el, field, fill } from "./elements.js";
import { dotted } from "./explanation.js";

/** Write the inputs of a model beside the image, name → numbers. */
export function inputWords(inputs) {
  return dotted(...Object.entries(inputs).map(([name, numbers]) => `${name} ${numbers.join(", ")}`));
}

/** Fields for the inputs of a model beside the image, such as an age. */
export class InputFields {
  element = el("div", { class: "grid" });
  #fields = [];

  /** Show a field for each input; `usual` has its first numbers by name. */
  offer(usual) {
    this.#fields = Object.entries(usual).map(([name, numbers]) => inputField(name, numbers));
    fill(this.element, this.#fields.map(({ element }) => element));
    this.element.hidden = !this.#fields.length;
  }

  /** Return the numbers by name; null, and the reason at the field, when one cannot be read. */
  read() {
    const inputs = this.#fields.map(({ name, read }) => [name, read()]);
    this.element.querySelector("[aria-invalid=true]")?.focus();
    return inputs.every(([, numbers]) => numbers) ? Object.fromEntries(inputs) : null;
  }

  /** Show an error of the service at the field that it names, if it names one, and return the field. */
  refuse({ message }) {
    const named = this.#fields.find(({ name }) => message.includes(`'${name}'`));
    named?.refuse(message);
    return named;
  }
}

function inputField(name, usual) {
  const words = el("p", { class: "bad", role: "alert", id: `input-${name}` });
  const input = el("input", { value: usual.join(", "), "aria-describedby": words.id, oninput: () => refuse("") });
  const count = usual.length > 1 ? `${usual.length} numbers` : "a number";
  const refuse = (text) => {
    words.textContent = text;
    input.ariaInvalid = Boolean(text);
  };
  const read = () => {
    const numbers = input.value.split(/[\s,]+/).filter(Boolean).map(Number);
    if (numbers.length === usual.length && numbers.every(Number.isFinite)) return numbers;
    refuse(`Write ${count}, such as ${usual.join(", ")}.`);
  };
  return { name, read, refuse, element: el("div", {}, field(usual.length > 1 ? `${name} (${count})` : name, input), words) };
}
