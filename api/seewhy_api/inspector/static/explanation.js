import { pathOf } from "./service.js";
import { decodeNpy, formatNumber } from "./viewer.js";

/** Return the sets of maps of a result: each method at each layer, the first one first. */
export function mapSets(result) {
  return [result, ...result.other_maps];
}

/** Return the query that names a set of maps. */
export function setQuery({ method, layer }) {
  return new URLSearchParams(layer ? { method, layer } : { method });
}

/**
 * Fetch the photo of an explanation: upright, with at most 1,024 pixels a side. Returns the address
 * of a blob, which the caller revokes, or null without a photo.
 */
export async function loadPhoto(service, id, signal) {
  const photo = await service.blob(`${pathOf(id)}/overlay?alpha=0&size=1024`, signal).catch(() => null);
  return photo && URL.createObjectURL(photo);
}

/** Fetch the maps of a set: one `Float32Array` of mapHeight × mapWidth for each target. */
export async function loadMaps(service, id, set, signal) {
  const file = await service.blob(`${pathOf(id)}/map.npy?${setQuery(set)}`, signal);
  return decodeNpy(await file.arrayBuffer());
}

/** Return what `<seewhy-map>` shows. */
export function mapData({ covers, image_width_px: imageWidthPx, image_height_px: imageHeightPx }, set, maps, photoUrl) {
  const { map_height: mapHeight, map_width: mapWidth, stride_px: stridePx, receptive_field_px: receptiveFieldPx } = set;
  return { ...set, photoUrl, maps, mapHeight, mapWidth, covers, imageWidthPx, imageHeightPx, stridePx, receptiveFieldPx };
}

/** Return a target as a request names it. */
export function requested({ score, rivals = [], against = false }, method) {
  if (against) return { against: score.index };
  const isContrast = rivals.length && method !== "finercam";
  return isContrast ? { why: score.index, not: rivals.map(({ index }) => index) } : score.index;
}

/** Join what there is of several words. */
export function dotted(...words) {
  return words.filter(Boolean).join(" · ");
}

/** Say what a cell holds, as `SeewhyMap.describe` describes it. */
export function cellWords({ row, column, value, percentile }) {
  return `Row ${row + 1}, column ${column + 1}: ${formatNumber(value)}, percentile ${Math.round(percentile)}`;
}
