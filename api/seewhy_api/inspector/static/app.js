import { el, fill } from "./elements.js";
import { Location } from "./location.js";
import { Service } from "./service.js";
import { panel } from "./states.js";

const MODULES = {
  gallery: "./gallery.js",
  new: "./submission.js",
  inspect: "./inspect.js",
  compare: "./compare.js",
};
const main = document.getElementById("main");
const live = document.getElementById("live");
const service = new Service();
const address = new Location();
let shown = null;

/** Tell people who do not see the page what has changed. */
function announce(text) {
  live.textContent = text;
}

/** Show the screen that the address names, or give it the new parameters. */
async function route() {
  if (!address.read()) return;
  const { screen, ids } = address.current;
  const name = `${screen} ${ids}`;
  if (shown?.name === name) {
    shown.mounted?.update?.(address.current.params);
    return;
  }
  shown?.controller.abort();
  shown?.mounted?.unmount?.();
  const controller = new AbortController();
  const current = { name, controller, mounted: null };
  shown = current;
  fill(main);
  const context = { service, location: address, announce, signal: controller.signal };
  if (!Object.hasOwn(MODULES, screen)) {
    fill(main, panel("not-found", "There is no such page", "The address names no part of seewhy.",
      el("p", {}, el("a", { href: "#/" }, "Show the explanations"))));
    return;
  }
  const { mount } = await import(MODULES[screen]);
  if (shown !== current) return;
  const mounted = await mount(main, context);
  if (shown === current) current.mounted = mounted;
  else mounted?.unmount?.();
}

addEventListener("hashchange", route);
addEventListener("popstate", route);
addEventListener("pagehide", () => address.flush());
route();
