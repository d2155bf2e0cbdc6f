import { el } from "./elements.js";
import { requested, setQuery } from "./explanation.js";
import { inputWords } from "./inputs.js";
import { ROOT, pathOf } from "./service.js";
import { showDialog } from "./states.js";
import { Layers, evidence, strongest } from "./viewer.js";

const MAX_SIDE_PX = 2048;

/**
 * The files of an explanation, and texts to copy.
 *
 * @param {Object} record
 * @param {{service: import("./service.js").Service, announce: function(string, boolean=): void,
 *   signal: AbortSignal}} context
 * @param {HTMLElement} legend Drawn below the image.
 */
export function downloads(record, { service, location, announce, signal }, legend) {
  const path = pathOf(record.id);
  let map = null;
  const blobOf = (address) => service.blob(address, signal);
  const save = async (end, body) => {
    try {
      const url = URL.createObjectURL(await body);
      el("a", { href: url, download: record.id + end }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      announce(error.message, true);
    }
  };
  const photo = async () => map.data.photoUrl && createImageBitmap(await blobOf(`${path}/overlay?alpha=0&size=${MAX_SIDE_PX}`));
  const image = () => save(".png", photo().then((bitmap) => drawn(map, bitmap, [record.model, map.data.method], legend)));
  const copy = (text) => copyText(text, announce);
  const button = (text, act) => el("button", { onclick: act }, text);
  const regions = (end, file) => () => save(end, blobOf(`${path}/${file}?${regionsQuery(map)}`));
  const found = [button("Regions (JSON)", regions(".regions.json", "regions")), button("Regions (COCO)", regions(".coco.json", "coco.json"))];
  return {
    element: el("details", {}, el("summary", {}, "Download and share"),
      el("div", { class: "line" }, button("Image (PNG)", image),
        button("Map (npy)", () => save(".npy", blobOf(`${path}/map.npy?${setQuery(map.data)}`))), found,
        button("Record (JSON)", () => save(".json", blobOf(path))),
        button("Copy link", () => copy(location.href)),
        button("Copy curl", () => copy(samples(record, map.data).curl)),
        button("Copy Python", () => copy(samples(record, map.data).python)))),
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
    showDialog("Copy this text", area);
    area.select();
  }
}

/** Return the query of the regions of the shown map. */
function regionsQuery({ view, data, thresholdValue, values }) {
  const query = setQuery(data);
  query.set("map", view.chosen);
  query.set("polarity", view.polarity);
  const share = thresholdValue / strongest(evidence(values, view.polarity));
  if (share > 0 && share < 1) query.set("threshold", Number(share.toPrecision(6)));
  return query;
}

/** Draw the photo and the map as they are shown, and the legend below, as a PNG. */
function drawn(map, photo, words, legend) {
  const { data, view } = map;
  const layers = new Layers(data, MAX_SIDE_PX);
  const { widthPx: width, heightPx: height } = layers.place;
  const heat = el("canvas", { width, height });
  layers.paint(heat, view, layers.read(view));
  const textPx = Math.max(10, width / 60);
  const canvas = el("canvas", { width, height: height + Math.round(5 * textPx) });
  const context = canvas.getContext("2d");
  if (view.gray && !view.hidden) context.filter = "grayscale(1)";
  if (photo) context.drawImage(photo, 0, 0, width, height);
  Object.assign(context, { filter: "none", globalAlpha: view.hidden ? 0 : view.opacity });
  context.drawImage(heat, 0, 0);
  context.globalAlpha = 1;
  const svg = map.querySelector("svg");
  const scale = width / svg.clientWidth;
  for (const line of svg.children) {
    const path = new Path2D();
    path.addPath(new Path2D(line.getAttribute("d") ?? ""), new DOMMatrix().scale(scale).multiply(line.getCTM()));
    const { stroke, strokeWidth } = getComputedStyle(line);
    Object.assign(context, { strokeStyle: stroke, lineWidth: parseFloat(strokeWidth) * Math.max(scale, 1) * (view.zoom?.scale ?? 1) });
    context.stroke(path);
  }
  context.fillStyle = "#fff";
  context.fillRect(0, height, width, canvas.height);
  context.drawImage(legend.querySelector("canvas"), textPx, height + textPx, width - 2 * textPx, textPx / 2);
  Object.assign(context, { fillStyle: "#000", font: `${textPx}px sans-serif` });
  const write = (text, x, row) => context.fillText(text, x, height + row * textPx, width - 2 * textPx);
  const [lowest, , highest] = legend.querySelectorAll("span");
  write(lowest.textContent, textPx, 2.6);
  write([document.title.split(" · ")[0], ...words, legend.querySelector("p").textContent].join(" · "), textPx, 4.2);
  context.textAlign = "end";
  write(highest.textContent, width - textPx, 2.6);
  return new Promise((done) => canvas.toBlob(done));
}

/** Return the request of a record as JSON, without its photo. */
function requestOf(record, { targets, method, layer }) {
  const body = { model: record.model, method, targets: targets.map((target) => requested(target, method)) };
  return { ...body, ...(layer && { layer }), ...(inputWords(record.inputs) && { inputs: record.inputs }) };
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
