import { el } from "./elements.js";

const SEVERITIES = { page: ["!", "Now"], ticket: ["•", "In working hours"] };
const UNITS = [[86_400, "days"], [3_600, "h"], [60, "min"]];
const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

/** Write seconds in one unit: `0.4 s`, `40 s`, `4 min`, `3 h`, `2 days`. */
export function duration(seconds) {
  const [size, unit] = UNITS.find(([each]) => seconds >= 2 * each) ?? [1, "s"];
  const value = seconds / size;
  return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} ${unit}`;
}

/** Write bytes in MB or GB. */
function bytes(value) {
  return value < 1e9 ? `${digits.format(value / 1e6)} MB` : `${digits.format(value / 1e9)} GB`;
}

function count(value) {
  return value.toLocaleString("en");
}

/** Show what is wrong, the most urgent first. */
export function alerts(found) {
  if (!found.length) return [el("p", { class: "fine" }, mark("✓"), "Nothing is wrong.")];
  return [el("ul", {}, found.map(({ name, severity, message, remedy, runbook }) => {
    const [sign, when] = SEVERITIES[severity];
    return el("li", { class: severity, "data-name": name },
      el("p", { class: "when" }, mark(sign), when),
      el("p", { class: "message" }, message),
      el("p", {}, prose(remedy), " ", el("span", { class: "muted" }, "Runbook: ", el("code", {}, runbook))));
  }))];
}

/**
 * Show the figures of the whole service.
 *
 * @param {Object} status Of `GET /v1/status`, read while Redis answers.
 * @param {{succeeded: number, failed: number, waiting: number, seconds: number}|null} rates Ended
 *   jobs per minute, how fast those that wait become more, and over how many seconds; null before
 *   they are known.
 */
export function figures({ queues: { queues }, jobs, workers, redis, checks }, rates) {
  const sum = (name) => queues.reduce((total, queue) => total + queue[name], 0);
  return [el("dl", {}, [
    ["Waiting jobs", count(sum("waiting")), `${count(sum("running"))} running${trend(rates?.waiting)}`],
    ["Backlog", duration(sum("backlog_device_s")), "of one device"],
    ["Succeeded", rates ? `${digits.format(rates.succeeded)} / min` : "–", rates ? `last ${duration(rates.seconds)}` : "measuring"],
    ["Failed", rates ? `${digits.format(rates.failed)} / min` : "–", `${count(jobs.ended.failed ?? 0)} in all`],
    ["Workers", count(workers.length), `lost claims: ${count(jobs.leases_expired)}`],
    ["Redis", bytes(redis.memory_bytes), redis.memory_limit_bytes ? `of ${bytes(redis.memory_limit_bytes)}` : "no limit"],
    ["Object store", checks.store === "ok" ? "answers" : "silent", ""],
  ].map(([term, value, note]) => el("div", {}, el("dt", {}, term), el("dd", {}, el("b", {}, value), el("span", { class: "muted" }, note)))))];
}

function trend(perMinute = 0) {
  if (Math.abs(perMinute) < 0.5) return "";
  return `, ${perMinute > 0 ? "growing" : "falling"} by ${digits.format(Math.abs(perMinute))} / min`;
}

/** Show the queues with open jobs. */
export function queueTable({ queues, drain_s: drain }) {
  const most = Math.max(1, ...queues.map(({ waiting }) => waiting));
  return table("Queues", ["Model", "Priority", "Waiting", "Oldest", "Running", "Backlog", "Done in", "Workers"], queues.map((queue) => [
    queue.model,
    queue.priority + (queue.long ? ", long" : ""),
    [count(queue.waiting), el("progress", { "aria-hidden": "true", max: most, value: queue.waiting })],
    queue.waiting ? duration(queue.oldest_waiting_s) : "–",
    count(queue.running),
    duration(queue.backlog_device_s),
    drain[queue.model] === null ? "no worker" : duration(drain[queue.model]),
    queue.workers,
  ]), "No job is open.");
}

/** Show the running workers. */
export function workerTable(workers) {
  return table("Workers", ["Worker", "Models", "Device", "Engine", "Images / s", "Jobs", "Last seen"], workers.map((worker) => [
    el("code", {}, worker.id),
    models(worker).map(([model, note]) => el("div", {}, model, " ", el("span", { class: "muted" }, note))),
    worker.device + (worker.pinned_to && `, ${worker.pinned_to}`),
    worker.engine,
    Object.entries(worker.images_per_s).map(([model, pace]) => el("div", {}, `${model} ${digits.format(pace)}`)),
    worker.jobs,
    `${duration(worker.unseen_s)} ago`,
  ]), "No worker runs.");
}

function models({ models: loaded, model_bytes: sizes, on_demand: demand, loading, failed_loads: failed }) {
  return [
    ...loaded.map((model) => [model, sizes[model] ? bytes(sizes[model]) : "loaded"]),
    ...[...new Set([...demand, ...Object.keys(failed)])].filter((model) => !loaded.includes(model)).map((model) =>
      [model, model === loading ? "loading" : model in failed ? "could not be loaded" : "on demand"]),
  ];
}

/**
 * Show the failed jobs of the tenant.
 *
 * @param {Array<Object>} letters
 * @param {{total: number, mayDecide: boolean, busy: Set<string>, refusal: string}} options `total`
 *   counts those of all tenants, `busy` has the ids that are being retried or dismissed.
 */
export function deadLetters(letters, { total, mayDecide, busy, refusal }) {
  const others = total - letters.length;
  const decision = (action, id) =>
    el("button", { "data-action": action.toLowerCase(), "aria-label": `${action} job ${id}`, disabled: busy.has(id) }, action);
  return [
    ...table("Failed jobs", ["Job", "Failed", "Model", "Attempts", "Why", ...(mayDecide ? ["Decision"] : [])], letters.map((letter) => [
      el("a", { href: `./#/e/${letter.id}` }, el("code", {}, letter.id)),
      new Date(letter.failed_at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "medium" }),
      letter.model,
      letter.attempts,
      [letter.detail, " ", el("code", { class: "muted" }, letter.code)],
      ...(mayDecide ? [[decision("Retry", letter.id), decision("Dismiss", letter.id)]] : []),
    ]), "No failed job waits for a decision."),
    el("p", { class: "refusal", role: "alert" }, refusal),
    el("p", { class: "muted" }, others > 0 && prose(`${count(others)} more: of other tenants, or later ones. \`seewhy dead list\` shows all.`)),
    el("p", { class: "line muted" }, !mayDecide && ["Read-only: to retry or dismiss, use a key with the scope admin.",
      el("button", { "data-action": "key" }, "Use another key")]),
  ];
}

/** Return a heading and a table, whose rows have the text of their first cell as their key. */
function table(title, columns, rows, empty) {
  const heading = el("h2", {}, title);
  if (!rows.length) return [heading, el("p", { class: "muted" }, empty)];
  const row = (cells) => el("tr", { "data-key": cells[0].textContent ?? cells[0] }, cells.map((cell, place) =>
    el(place ? "td" : "th", { scope: place ? null : "row", "data-label": columns[place] }, cell.length === 0 ? "–" : cell)));
  return [heading, el("table", { "aria-label": title },
    el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
    el("tbody", {}, rows.map(row)))];
}

function mark(sign) {
  return el("span", { "aria-hidden": "true" }, `${sign} `);
}

/** Turn text between backticks into code. */
function prose(text) {
  return text.split("`").map((part, place) => (place % 2 ? el("code", {}, part) : part));
}

/**
 * Change the children of an element into others, and keep each node that stays the same kind: focus
 * and selection survive a refresh. Rows with another key are not the same.
 */
export function morph(element, ...children) {
  const keys = new Set(children.map(keyOf));
  for (const old of [...element.childNodes]) if (!keys.has(keyOf(old))) old.remove();
  children.forEach((child, place) => {
    const old = element.childNodes[place];
    if (!old || keyOf(old) !== keyOf(child)) element.insertBefore(child, old ?? null);
    else if (child.nodeType === Node.TEXT_NODE) old.data = child.data;
    else {
      for (const { name } of [...old.attributes]) if (!child.hasAttribute(name)) old.removeAttribute(name);
      for (const { name, value } of child.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
      morph(old, ...child.childNodes);
    }
  });
  while (element.childNodes.length > children.length) element.lastChild.remove();
}

function keyOf(node) {
  return `${node.nodeName} ${node.dataset?.key}`;
}
