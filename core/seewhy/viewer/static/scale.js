/** The color scale, as `seewhy.imaging.rendering.color_scale` computes it. */
import { PIXEL_LEVEL_METHODS, PIXEL_LEVEL_QUANTILE } from "./constants.js";
import { evidence } from "./map.js";
import { quantile } from "./regions.js";

/** Whether a target is a class: neither a contrast nor the evidence against a class. */
export function isPlain({ rivals, against }) {
  return !rivals?.length && !against;
}

/**
 * Return the evidence drawn with the strongest color on a map; 0 without evidence.
 *
 * `image` is the strongest evidence of all comparable maps, so that a weak class looks weak: plain
 * classes share one scale; contrasts and counter-evidence share another. `class` is that of the
 * map alone, and a number is itself.
 * @param {Float32Array[]} maps
 * @param {number} chosen
 * @param {{targets: object[], method: string, polarity: string,
 *   normalize?: "image"|"class"|number}} options targets are those of the result
 */
export function colorScale(maps, chosen, { targets, method, polarity, normalize = "image" }) {
  if (typeof normalize === "number") return normalize;
  const plain = isPlain(targets[chosen]);
  const strengths = maps
    .filter((_, n) => (normalize === "class" ? n === chosen : isPlain(targets[n]) === plain))
    .map((values) => evidence(values, polarity).map(Math.abs));
  if (PIXEL_LEVEL_METHODS.includes(method)) {
    const all = new Float32Array(strengths.reduce((sum, each) => sum + each.length, 0));
    strengths.forEach((each, n) => all.set(each, n * each.length));
    return quantile(all, PIXEL_LEVEL_QUANTILE);
  }
  let scale = 0;
  for (const each of strengths) for (const value of each) scale = Math.max(scale, value);
  return scale;
}
