import { check, choice, select, slider } from "./controls.js";
import { el } from "./elements.js";
import { threshold } from "./threshold.js";
import { ONE_SIGN_COLORMAPS } from "./view.js";
import { formatPercent } from "./viewer.js";

const SCALES = [["image", "all classes"], ["class", "this class"], ["fixed", "keep as it is"]];

/**
 * The controls of the view.
 *
 * @param {function(Object, boolean=): void} set Called with changed values, and whether Back undoes them.
 * @param {Array<{method: string, layer: string}>} sets The sets of maps.
 */
export function viewControls(set, sets) {
  const field = (name, push) => [(values) => values[name], (value) => set({ [name]: value }, push)];
  const names = sets.map(({ method, layer }, n) => [String(n), sets.some((other) => other.method === method && other.layer !== layer) ? `${method} · ${layer}` : method]);
  let scale = 0;
  const main = [
    ...(sets.length > 1 ? [select("Maps", names, (values) => String(values.set), (n) => set({ set: Number(n) }, true))] : []),
    choice("View", [["heat", "Heat"], ["contour", "Outline"], ["mask", "Cut-out"]], ...field("mode", true), "M"),
    choice("Evidence", [["positive", "for"], ["negative", "against"], ["signed", "both"]], ...field("polarity", true), "P"),
    threshold(set),
    slider("Opacity", { min: 0, max: 1, step: 0.05 }, ...field("opacity"), ({ opacity }) => formatPercent(opacity)),
  ];
  const more = [
    choice("Detail", [[false, "smooth"], [true, "cells"]], ...field("cells"), "G"),
    select("Colors", ONE_SIGN_COLORMAPS.map((name) => [name, name === "turbo" ? "turbo (familiar)" : name]), ...field("colormap")),
    select("Color scale", SCALES, (values) => (typeof values.scale === "number" ? "fixed" : values.scale),
      (kind) => set({ scale: kind === "fixed" ? Number(scale.toPrecision(6)) || "image" : kind })),
    select("Boxes", [["none", "none"], ["largest", "largest region"], ["all", "all regions"]], ...field("boxes")),
  ];
  const checks = [check("Gray photo", ...field("gray")), check("Hide the map", ...field("hidden"))];

  const all = [...main, ...more, ...checks];
  return {
    element: el("section", { class: "controls" }, el("h2", {}, "Map"), main.map(({ element }) => element),
      el("div", { class: "grid" }, more.map(({ element }) => element)), el("div", { class: "line" }, checks.map(({ element }) => element))),
    show(values, map) {
      ({ scale } = map);
      for (const control of all) control.show(values, map);
    },
  };
}
