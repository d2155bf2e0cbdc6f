import { el, field, listOf } from "./elements.js";
import { showDialog } from "./states.js";

const SHORTCUTS = "seewhy-shortcuts";
const THEME = "seewhy-theme";
const TEXT_FIELDS = "input:not([type=radio], [type=checkbox], [type=range]), select, textarea";
const NAMES = { " ": "Space", ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc" };
/** Settings by name; where the page may store nothing, they last as long as the page. */
const settings = stored() ?? {};
let bindings = [];

function stored() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

/**
 * Set the keys of a screen, until `signal` ends it.
 *
 * @param {Array<[string, string, function(KeyboardEvent): void, (function(): void)=]>} table Each
 *   key as in `KeyboardEvent.key`, or the first and the last of several digits, what it does, and
 *   what it does when it is released.
 */
export function bindKeys(table, signal) {
  bindings = table;
  signal.addEventListener("abort", () => {
    if (bindings === table) bindings = [];
  });
}

const bindingOf = ({ key }) =>
  bindings.find(([keys]) => keys === key || (/\d–/.test(keys) && key >= keys[0] && key <= keys[2]));

/** Whether the focused element uses the key itself. */
function isTaken({ key, target }) {
  if (target.closest?.(TEXT_FIELDS) || document.querySelector("dialog[open]")) return true;
  if (key === " " || key === "Enter") return target.closest?.("button, a, summary, input");
  return key.startsWith("Arrow") && target.closest?.("input, seewhy-map");
}

function onKey(event) {
  const { key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || isTaken(event)) return;
  if (key === "?") showHelp();
  else {
    const binding = bindingOf(event);
    if (!binding || (settings[SHORTCUTS] === "off" && key.length === 1) || (event.repeat && binding[3])) return;
    binding[2](event);
  }
  event.preventDefault();
}

function setTheme() {
  document.documentElement.dataset.theme = settings[THEME] ?? "";
}

/** Listen to keys, and apply the theme that was chosen earlier. */
export function startKeys() {
  setTheme();
  addEventListener("keydown", onKey);
  addEventListener("keyup", (event) => bindingOf(event)?.[3]?.());
}

/** Show the keys of the screen, and the settings of the page. */
export function showHelp() {
  const shortcuts = el("input", { type: "checkbox", checked: settings[SHORTCUTS] !== "off", onchange: () => {
    settings[SHORTCUTS] = shortcuts.checked ? "on" : "off";
  } });
  const theme = listOf([["", "as the system"], "light", "dark"], (name) => {
    settings[THEME] = name;
    setTheme();
  });
  theme.value = settings[THEME] ?? "";
  showDialog("Keys and settings",
    el("dl", { class: "keys" }, [...bindings, ["?", "This help"]].map(([key, label]) =>
      el("div", {}, el("dt", {}, el("kbd", {}, NAMES[key] ?? key.toUpperCase())), el("dd", {}, label)))),
    el("label", { class: "check" }, shortcuts, "Shortcuts of a single key"),
    field("Colors", theme));
}
