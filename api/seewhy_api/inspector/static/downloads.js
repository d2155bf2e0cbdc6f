import { el } from "./elements.js";
import { requested, setQuery } from "./explanation.js";
import { ROOT } from "./service.js";
import { evidence, strongest } from "./viewer.js";

/** The most regions that the service draws. */
const MAX_REGIONS = 50;

/**
 * The files of an explanation, and texts to copy.
 *
 * @param {Object} record
 * @param {{service: import("./service.js").Service, announce: function(string, boolean=): void,
 *   signal: AbortSignal}} context
 */
export function downloads(record, { service, location, announce, signal }) {
  const path = `v1/explanations/${record.id}`;
  let map = null;
  const save = async (name, address, options) => {
    try {
      const url = typeof address === "string" ? await service.blobUrl(address, { ...options, signal })
        : URL.createObjectURL(await address);
      el("a", { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      announce(error.message, true);
    }
  };
  const image = () => {
    const drawing = drawingOf(map);
    save(`${record.id}.png`, drawing ? `${path}/${drawing}` : composed(map), { headers: { Accept: "image/png" } });
  };
  const numbers = () => save(`${record.id}.npy`, `${path}/map.npy?${setQuery(map.data)}`);
  const regions = (name) => () => save(`${record.id}.${name}.json`, `${path}/${name === "coco" ? "coco.json" : name}?${drawingQuery(map)}`);
  const json = () => save(`${record.id}.json`, path);
  const copy = (text) => copyText(text, announce);
  const found = [["regions", "Regions (JSON)"], ["coco", "Regions (COCO)"]].map(([name, text]) => el("button", { onclick: regions(name) }, text));
  return {
    element: el("details", {}, el("summary", {}, "Download and share"),
      el("div", { class: "buttons" }, el("button", { onclick: image }, "Image (PNG)"), el("button", { onclick: numbers }, "Map (npy)"), found,
        el("button", { onclick: json }, "Record (JSON)"),
        el("button", { onclick: () => copy(location.href) }, "Copy link"),
        el("button", { onclick: () => copy(samples(record, map.data).curl) }, "Copy curl"),
        el("button", { onclick: () => copy(samples(record, map.data).python) }, "Copy Python"))),
    image,
    show(values, shown) {
      map = shown;
      for (const button of found) button.disabled = Boolean(map.view.chosen.contrast) || map.view.polarity === "signed";
    },
  };
}

/** Copy a text; without access to the clipboard, show it to be copied. */
export async function copyText(text, announce) {
  try {
    await navigator.clipboard.writeText(text);
    announce("Copied.", true);
  } catch {
    const area = el("textarea", { readonly: true, rows: 6, "aria-label": "Text to copy", value: text });
    const dialog = el("dialog", { onclose: () => dialog.remove() }, el("p", {}, "Copy this text:"), area,
      el("form", { method: "dialog" }, el("button", {}, "Close")));
    document.body.append(dialog);
    dialog.showModal();
    area.select();
  }
}

/** Return the query of the regions of the shown map. */
function drawingQuery({ view, data, thresholdValue, values }) {
  const query = setQuery(data);
  query.set("map", view.chosen);
  query.set("polarity", view.polarity);
  const share = thresholdValue / strongest(evidence(values, view.polarity));
  if (share > 0 && share < 1) query.set("threshold", Number(share.toPrecision(6)));
  return query;
}

/** Return the path and query of the service's drawing of the shown map; null where it has none. */
function drawingOf(map) {
  const { view, scale, found } = map;
  const isSigned = view.polarity === "signed";
  if (view.chosen.contrast || view.mode === "mask" || (isSigned && view.mode === "contour")) return null;
  const query = drawingQuery(map);
  if (view.mode === "contour") {
    query.set("components", Math.min(Math.max(found, 1), MAX_REGIONS));
    query.set("boxes", view.boxes !== "none");
    return `contours?${query}`;
  }
  query.set("alpha", view.opacity);
  if (!isSigned) query.set("colormap", view.colormap);
  if (scale > 0) query.set("normalize", Number(scale.toPrecision(6)));
  return `overlay?${query}`;
}

/** Draw the photo and the map as they are shown, at the size of the photo. */
function composed(map) {
  const { data: { imageWidthPx: width, imageHeightPx: height, photoUrl }, view } = map;
  const canvas = el("canvas", { width, height });
  const context = canvas.getContext("2d");
  if (view.gray) context.filter = "grayscale(1)";
  if (photoUrl) context.drawImage(map.querySelector("img"), 0, 0, width, height);
  Object.assign(context, { filter: "none", globalAlpha: view.opacity, imageSmoothingEnabled: false });
  context.drawImage(map.querySelector("canvas"), 0, 0, width, height);
  return new Promise((done) => canvas.toBlob(done));
}

/** Return the request of a record as JSON, without its photo. */
function requestOf(record, { targets, method, layer }) {
  const body = { model: record.model, method, targets: targets.map((target) => requested(target, method)) };
  return layer ? { ...body, layer } : body;
}

/** Return commands that ask for the same explanation. */
export function samples(record, data) {
  const request = requestOf(record, data);
  const json = JSON.stringify(request);
  const python = Object.entries(request).map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ");
  return {
    curl: `curl ${ROOT}v1/explanations -F image=@photo.jpg -F 'request=${json.replaceAll("'", "'\\''")}'`,
    python: `from pathlib import Path\n\nfrom seewhy.client import Client\n\nwith Client("${ROOT.href.replace(/\/$/, "")}") as client:\n`
      + `    explanation = client.explain(Path("photo.jpg"), ${python})\n`,
  };
}
