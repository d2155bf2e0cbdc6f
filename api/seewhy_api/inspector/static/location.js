const SCREENS = { "": "gallery", new: "new", e: "inspect", c: "compare" };
const LETTERS = Object.fromEntries(Object.entries(SCREENS).map(([letter, name]) => [name, letter]));
const INTERVAL_MS = 250;

/**
 * Parse a hash.
 *
 * @param {string} hash Such as `#/e/<id>?c=1`.
 * @returns {{screen: string, ids: string[], params: URLSearchParams}|null} null when the hash
 *   names no screen, such as the target of a skip link.
 */
export function parse(hash) {
  const match = /^#?(?:\/([^/?]*)\/?([^?]*)(?:\?(.*))?)?$/s.exec(hash);
  if (!match) return null;
  const [, letter = "", ids = "", query = ""] = match;
  const screen = Object.hasOwn(SCREENS, letter) ? SCREENS[letter] : "unknown";
  const decoded = ids.split(",").filter(Boolean).map(decode);
  return { screen, ids: decoded, params: new URLSearchParams(query) };
}

/** Format what `parse` returns. */
export function format({ screen, ids = [], params }) {
  const path = `#/${LETTERS[screen]}${ids.length ? `/${ids.map(encodeURIComponent).join(",")}` : ""}`;
  const query = params?.toString().replaceAll("%2C", ",") ?? "";
  return query ? `${path}?${query}` : path;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Read the state of a view.
 *
 * @param {URLSearchParams} params
 * @param {Array<{key: string, name: string=, initial: *, parse: function(string): *,
 *   format: function(*): string}>} fields `name` is that of the value, `key` that in the address;
 *   `parse` returns undefined for a bad value.
 * @returns {{values: Object, refused: string[]}} The values by name, and the bad ones as `key=text`.
 */
export function readView(params, fields) {
  const values = {};
  const refused = [];
  for (const { key, name = key, initial, parse: read } of fields) {
    const text = params.get(key);
    const value = text === null ? initial : read(text);
    if (value === undefined) refused.push(`${key}=${text}`);
    values[name] = value === undefined ? initial : value;
  }
  return { values, refused };
}

/** Write the state of a view: without defaults, in the order of the fields, unknown keys last. */
export function writeView(params, fields, values) {
  const written = new URLSearchParams();
  for (const { key, name = key, initial, format: write = String } of fields) {
    const [text, usual] = [values[name], initial].map((value) => (value == null ? null : write(value)));
    if (text !== null && text !== usual) written.append(key, text);
  }
  const known = new Set(fields.map(({ key }) => key));
  for (const [key, text] of params) if (!known.has(key)) written.append(key, text);
  return written;
}

/** The part of the address after `#`, and its history. */
export class Location {
  #timer = null;

  constructor() {
    /** @type {{screen: string, ids: string[], params: URLSearchParams}} */
    this.current = parse(location.hash) ?? parse("");
  }

  /** Read the address again. Returns whether it names a screen. */
  read() {
    this.#stop();
    const parsed = parse(location.hash);
    if (parsed) this.current = parsed;
    return parsed !== null;
  }

  /** Show the parameters in the address, without an entry of the history; at most four times a second. */
  replace(params) {
    this.current = { ...this.current, params };
    this.#timer ??= setTimeout(() => this.flush(), INTERVAL_MS);
  }

  /** Show the parameters in the address, with an entry of the history. */
  push(params) {
    this.flush();
    this.current = { ...this.current, params };
    const hash = format(this.current);
    if (hash !== location.hash) history.pushState(null, "", hash);
  }

  /** Show another screen. */
  go(hash) {
    this.flush();
    location.hash = hash;
  }

  /** The whole address, with what `replace` has kept back. */
  get href() {
    this.flush();
    return window.location.href;
  }

  /** Write what `replace` has kept back. */
  flush() {
    if (this.#timer === null) return;
    this.#stop();
    history.replaceState(null, "", format(this.current));
  }

  #stop() {
    clearTimeout(this.#timer);
    this.#timer = null;
  }
}
