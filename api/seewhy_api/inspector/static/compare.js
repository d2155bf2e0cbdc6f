import { fill } from "./elements.js";
import { panel } from "./states.js";

/** Show the screen. */
export async function mountCompare(root) {
  fill(root, panel("empty", "Compare"));
  return { update() {}, unmount() {} };
}
