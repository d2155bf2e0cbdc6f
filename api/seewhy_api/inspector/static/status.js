import { el, fill } from "./elements.js";
import { startKeys } from "./keys.js";
import { Service } from "./service.js";
import { failure } from "./states.js";
import { alerts, deadLetters, duration, figures, morph, queueTable, workerTable } from "./status-view.js";

const REFRESH_S = 2;
const LONGEST_RETRY_S = 30;
const LETTERS_AGE_S = 30;
const RATES_S = 300;
const SHORTEST_RATES_S = 10;

const service = new Service();
const main = document.getElementById("main");
const live = document.getElementById("live");
const age = el("span", { class: "muted" });
const pauseButton = el("button", { id: "pause", onclick: togglePause }, "Pause");
const offline = el("p", { id: "offline", class: "offline", role: "alert" });
const parts = ["alerts", "figures", "queues", "workers", "letters"].map((id) => el("section", { id }));
const letterPart = parts.at(-1);
const view = el("div", { class: "status" },
  el("div", { class: "line" }, el("h1", {}, "Status"), el("p", { class: "line" }, age, pauseButton)), offline, parts);
const busy = new Set();
let samples = [];
let rates = null;
let status = null;
let letters = [];
let lettersAtS = -Infinity;
let updatedS = 0;
let nextS = 0;
let failures = 0;
let isPaused = false;
let isReading = false;
let refusal = "";
let said = [];

function nowS() {
  return performance.now() / 1000;
}

/** Read the state; and the failed jobs, if their number has changed or was read long ago. */
async function refresh() {
  if (isReading) return;
  isReading = true;
  let error = null;
  try {
    const read = await service.json("v1/status");
    const total = read.queues?.dead_letters;
    const isOld = nowS() - lettersAtS > LETTERS_AGE_S;
    if (read.queues && (isOld || total !== status?.queues?.dead_letters)) await readLetters();
    status = read;
    updatedS = nowS();
    failures = 0;
    if (status.jobs) measure(status);
  } catch (reason) {
    error = reason;
    failures++;
  }
  isReading = false;
  nextS = nowS() + (error?.retryAfterS ?? Math.min(REFRESH_S * 2 ** failures, LONGEST_RETRY_S));
  const isRefused = error?.status === 401 || error?.status === 403;
  if (isRefused || !status) showFailure(error);
  else show(error ? `${error.message} This is its last state.` : "");
}

async function readLetters() {
  letters = (await service.json("v1/dead-letters")).dead_letters;
  lettersAtS = nowS();
}

/** Keep the counts of jobs for five minutes, and measure how they change per minute. */
function measure({ queues: { queues }, jobs: { ended: { succeeded = 0, failed = 0 } } }) {
  const waiting = queues.reduce((sum, queue) => sum + queue.waiting, 0);
  const now = { atS: updatedS, succeeded, failed, waiting };
  samples = [...samples, now].filter(({ atS }) => updatedS - atS <= RATES_S);
  const seconds = updatedS - samples[0].atS;
  const rate = (name) => ((now[name] - samples[0][name]) * 60) / seconds;
  if (seconds >= SHORTEST_RATES_S) {
    rates = { succeeded: Math.max(0, rate("succeeded")), failed: Math.max(0, rate("failed")), waiting: rate("waiting"), seconds };
  }
}

function showFailure(error) {
  if (main.querySelector("form")) return;
  const stop = new AbortController();
  const retry = () => {
    stop.abort();
    fill(main);
    refresh();
  };
  fill(main, failure(error, { service, retry, signal: stop.signal }));
}

function show(problem = offline.textContent) {
  if (!view.isConnected) fill(main, view);
  const { queues, workers, scopes, alerts: found } = status;
  const options = { total: queues?.dead_letters, mayDecide: scopes.includes("admin"), busy, refusal };
  const contents = [alerts(found)];
  if (queues) contents.push(figures(status, rates), queueTable(queues), workerTable(workers), deadLetters(letters, options));
  parts.forEach((part, place) => morph(part, ...(contents[place] ?? [])));
  if (offline.textContent !== problem) offline.textContent = problem;
  document.title = `${found.length ? `(${found.length}) ` : ""}Status · seewhy`;
  const added = found.filter(({ name }) => !said.includes(name));
  if (added.length) say(added.map(({ message }) => message).join(" "));
  said = found.map(({ name }) => name);
  tick();
}

function say(text) {
  live.textContent = text;
}

/** Say how old the state is. */
function tick() {
  age.textContent = `${isPaused ? "Paused, u" : "U"}pdated ${duration(Math.round(nowS() - updatedS))} ago`;
}

function togglePause() {
  isPaused = !isPaused;
  pauseButton.textContent = isPaused ? "Resume" : "Pause";
  nextS = 0;
  tick();
}

/** Retry or dismiss a failed job; the focus goes to the next one. */
async function decide({ target }) {
  const { action } = target.dataset;
  if (action === "key") {
    service.key = "";
    showFailure({ status: 401, message: "The page asks the service with this key." });
  }
  if (!action || action === "key") return;
  const id = target.closest("tr").dataset.key;
  busy.add(id);
  refusal = "";
  show();
  try {
    const { id: other } = await service.json(`v1/dead-letters/${id}/${action}`, { method: "POST" });
    say(action === "retry" ? `Job ${id} runs again as ${other}.` : `Job ${id} is dismissed.`);
    await readLetters();
  } catch (error) {
    refusal = `Job ${id} stays: ${error.message}`;
  }
  busy.delete(id);
  nextS = 0;
  show();
  if (document.activeElement === document.body) (target.isConnected ? target : letterPart.querySelector("button") ?? main).focus();
}

/** Refresh when it is time; not while nobody looks, or a key is asked for. */
function loop() {
  if (document.hidden || (status === null && failures)) return;
  if (view.isConnected) tick();
  if (!isPaused && !main.querySelector("form") && nowS() >= nextS) refresh();
}

startKeys();
letterPart.addEventListener("click", decide);
document.addEventListener("visibilitychange", loop);
setInterval(loop, 500);
refresh();
