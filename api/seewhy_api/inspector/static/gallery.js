import { fill } from "./elements.js";
import { panel } from "./states.js";

/** Show the screen. */
export async function mountGallery(root) {
  fill(root, panel("empty", "Explanations"));
  return { update() {}, unmount() {} };
}
