import { el, fill } from "./elements.js";

const SETTING = "seewhy-shortcuts";
const THEME = "seewhy-theme";
const TEXT_FIELDS = "input:not([type=radio], [type=checkbox], [type=range]), select, textarea, [contenteditable]";
let bindings = [];

function read(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function write(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // The choice then lasts as long as the page.
  }
}

let enabled = read(SETTING) !== "off";

/**
 * Set the keys of a screen, until `signal` ends it.
 *
 * @param {Array<{keys: string[], label: string, run: function(KeyboardEvent): void,
 *   release: (function(): void)|undefined}>} table `keys` as in `KeyboardEvent.key`.
 */
export function bindKeys(table, signal) {
  bindings = table;
  signal.addEventListener("abort", () => {
    if (bindings === table) bindings = [];
  });
}

/** Whether the focused element uses the key itself. */
function isTaken({ key, target }) {
  if (target.closest?.(TEXT_FIELDS) || document.querySelector("dialog[open]")) return true;
  if (key === " " || key === "Enter") return Boolean(target.closest?.("button, a, summary, input"));
  return key.startsWith("Arrow") && Boolean(target.closest?.("input, seewhy-map"));
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTaken(event)) return;
  if (event.key === "?") showHelp();
  else {
    if (!enabled && event.key.length === 1) return;
    const binding = bindings.find(({ keys }) => keys.includes(event.key));
    if (!binding || (event.repeat && binding.release)) return;
    binding.run(event);
  }
  event.preventDefault();
}

function onRelease(event) {
  bindings.find(({ keys, release }) => release && keys.includes(event.key))?.release();
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/** Listen to keys, and apply the theme that was chosen earlier. */
export function startKeys() {
  setTheme(read(THEME));
  addEventListener("keydown", onKey);
  addEventListener("keyup", onRelease);
}

const NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };

/** Show the keys of the screen, and the settings of the page. */
export function showHelp() {
  const shortcuts = el("input", { type: "checkbox", checked: enabled, onchange: () => {
    enabled = shortcuts.checked;
    write(SETTING, enabled ? "on" : "off");
  } });
  const theme = el("select", { onchange: () => {
    setTheme(theme.value);
    write(THEME, theme.value);
  } }, [["", "as the system"], ["light", "light"], ["dark", "dark"]].map(([value, text]) => el("option", { value }, text)));
  theme.value = read(THEME) ?? "";
  const rows = [...bindings, { keys: ["?"], label: "This help" }].map(({ keys, label }) =>
    el("div", {}, el("dt", {}, el("kbd", {}, keys.length > 2 ? `${keys[0]}–${keys.at(-1)}` : keys.map((key) => NAMES[key] ?? key.toUpperCase()))), el("dd", {}, label)));
  const dialog = el("dialog", { "aria-label": "Keys and settings", onclose: () => dialog.remove() },
    el("h2", {}, "Keys"), el("dl", { class: "keys" }, rows),
    el("h2", {}, "Settings"),
    el("label", { class: "check" }, shortcuts, "Shortcuts of a single key"),
    el("label", { class: "field" }, el("span", {}, "Colors"), theme),
    el("form", { method: "dialog" }, el("button", {}, "Close")));
  document.body.append(dialog);
  dialog.showModal();
}
