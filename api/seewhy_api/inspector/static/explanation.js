import { decodeNpy, percentileOf } from "./viewer.js";

const pathOf = (id) => `v1/explanations/${encodeURIComponent(id)}`;

/** Return the sets of maps of a result: each method at each layer, the first one first. */
export function mapSets(result) {
  return [result, ...result.other_maps];
}

/** Return the query that names a set of maps. */
export function setQuery({ method, layer }) {
  return new URLSearchParams(layer ? { method, layer } : { method });
}

/** Fetch the photo of an explanation: upright, with at most 1,024 pixels a side. */
export function loadPhoto(service, id, signal) {
  return service.blobUrl(`${pathOf(id)}/overlay?alpha=0&size=1024`, { signal });
}

/** Fetch the maps of a set: one `Float32Array` of mapHeight × mapWidth for each target. */
export async function loadMaps(service, id, set, signal) {
  const { maps } = decodeNpy(await service.bytes(`${pathOf(id)}/map.npy?${setQuery(set)}`, { signal }));
  return maps;
}

/** Return what `<seewhy-map>` shows. */
export function mapData(result, set, maps, photoUrl) {
  return {
    photoUrl,
    maps,
    mapHeight: set.map_height,
    mapWidth: set.map_width,
    covers: result.covers,
    imageWidthPx: result.image_width_px,
    imageHeightPx: result.image_height_px,
    targets: set.targets,
    method: set.method,
    linear: set.linear,
    layer: set.layer,
    stridePx: set.stride_px ?? null,
    receptiveFieldPx: set.receptive_field_px ?? null,
  };
}

/** Return a target as a request names it. */
export function requested({ score, rivals = [], against = false }, method) {
  if (against) return { against: score.index };
  const isContrast = rivals.length && method !== "finercam";
  return isContrast ? { why: score.index, not: rivals.map(({ index }) => index) } : score.index;
}

/** Describe a cell, `[row, column]`, of what a `<seewhy-map>` shows, like its event `cellhover`. */
export function describeCell(map, [row, column]) {
  const at = row * map.data.mapWidth + column;
  const value = map.values[at];
  return { row, column, value, percentile: percentileOf(map.values, value), values: map.data.maps.map((each) => each[at]) };
}
