import { mountCompare } from "./compare.js";
import { el, fill } from "./elements.js";
import { mountGallery } from "./gallery.js";
import { mountInspect } from "./inspect.js";
import { showHelp, startKeys } from "./keys.js";
import { Location } from "./location.js";
import { Service } from "./service.js";
import { failure, panel } from "./states.js";
import { mountSubmission } from "./submission.js";

const MOUNTS = { gallery: mountGallery, new: mountSubmission, inspect: mountInspect, compare: mountCompare };
const main = document.getElementById("main");
const live = document.getElementById("live");
const shared = {
  service: new Service(),
  location: new Location(),
  /** Addresses of the photos that this page has sent, by the ids of their explanations. */
  photos: new Map(),
  /** The ids of the explanations that the gallery lists, in its order. */
  sequence: [],
  announce,
  /** Return the files that were dropped or pasted, once. */
  takeDropped: () => dropped.splice(0),
};
const dropped = [];
let shown = null;

/** Tell people who do not see the page what has changed; `isSeen` shows it for a while, too. */
function announce(text, isSeen = false) {
  live.textContent = text;
  live.className = isSeen ? "toast" : "hidden-text";
  if (isSeen) live.animate({ opacity: [1, 1, 1, 1, 0] }, 4000);
}

/** Show the screen that the address names, or give it the new parameters. */
async function route() {
  const { location, service } = shared;
  if (!location.read()) return;
  const { screen, ids } = location.current;
  const name = `${screen} ${ids}`;
  if (shown?.name === name) {
    shown.mounted?.update?.(location.current.params);
    return;
  }
  const isFirst = shown === null;
  shown?.controller.abort();
  shown?.mounted?.unmount?.();
  const controller = new AbortController();
  const current = { name, controller, mounted: null };
  shown = current;
  fill(main);
  window.scrollTo(0, 0);
  document.title = "seewhy";
  markLink(screen);
  const context = Object.create(shared, { signal: { value: controller.signal } });
  if (!Object.hasOwn(MOUNTS, screen)) {
    fill(main, panel("not-found", "There is no such page", "The address names no part of seewhy.",
      el("p", {}, el("a", { href: "#/" }, "Show the explanations"))));
    return;
  }
  try {
    const mounted = await MOUNTS[screen](main, context);
    if (shown === current) current.mounted = mounted;
    else mounted?.unmount?.();
    if (!isFirst) main.focus({ preventScroll: true });
  } catch (error) {
    const retry = () => window.location.reload();
    if (shown === current) fill(main, failure(error, { service, retry, signal: controller.signal }));
  }
}

function markLink(screen) {
  for (const link of document.querySelectorAll("nav a")) {
    const isShown = link.dataset.screen === screen;
    if (isShown) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Give files to the screen that submits them. */
function takeFiles(files) {
  const images = [...files].filter(({ type }) => type.startsWith("image/") || type === "");
  if (!images.length) return;
  if (shown?.mounted?.take) shown.mounted.take(images);
  else {
    dropped.push(...images);
    shared.location.go("#/new");
  }
}

addEventListener("hashchange", route);
addEventListener("popstate", route);
addEventListener("pagehide", () => shared.location.flush());
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  takeFiles(event.dataTransfer.files);
});
addEventListener("paste", (event) => takeFiles(event.clipboardData.files));
startKeys();
document.getElementById("tools").append(el("button", { onclick: showHelp, "aria-label": "Keys and settings", title: "Keys and settings" }, "?"));
route();
