import { COLORMAPS, DEFAULT_THRESHOLD, DIVERGING, isPlain } from "./viewer.js";

const short = (value) => String(Number(value.toPrecision(6))).replace(/^(-?)0\./, "$1.");
const numberOf = (text) => (/^-?(\d+\.?\d*|\.\d+)(e-?\d+)?$/.test(text) ? Number(text) : undefined);
const within = (low, high) => (text) => {
  const value = numberOf(text);
  return value >= low && value <= high ? value : undefined;
};
const oneOf = (...names) => (text) => (names.includes(text) ? text : undefined);
export const flag = { parse: (text) => ({ 0: false, 1: true })[text], format: (value) => (value ? "1" : "0") };
const list = (count, minimum) => (text) => {
  const values = text.split(",").map(numberOf);
  return values.length === count && values.every((value) => value >= minimum) ? values : undefined;
};
const whole = (text) => (/^\d{1,6}$/.test(text) ? Number(text) : undefined);

/** How the address writes the rules of thresholds that have a value: their sign, and the highest. */
const RULES = { fraction: ["", 1], percentile: ["p", 100], value: ["v", Infinity] };

function parseThreshold(text) {
  if (text === "off" || text === "otsu") return { kind: text };
  const kind = { p: "percentile", v: "value" }[text[0]] ?? "fraction";
  const [sign, highest] = RULES[kind];
  const value = within(0, highest)(text.slice(sign.length));
  return value === undefined ? undefined : { kind, value };
}

/** The colormaps for one sign; both signs together have the diverging one. */
export const ONE_SIGN_COLORMAPS = Object.keys(COLORMAPS).filter((name) => name !== DIVERGING);

/** What the address says about the view of an explanation, in the order of the address. */
export const FIELDS = [
  { key: "set", initial: 0, parse: whole },
  { key: "c", initial: null, parse: (text) => (/^t?\d{1,6}$/.test(text) ? text : undefined) },
  { key: "vs", initial: null, parse: (text) => (/^\d{1,6}$/.test(text) ? text : undefined) },
  { key: "p", name: "polarity", initial: "positive", parse: oneOf("positive", "negative", "signed") },
  {
    key: "t", name: "threshold", initial: { kind: "fraction", value: DEFAULT_THRESHOLD }, parse: parseThreshold,
    format: ({ kind, value }) => (kind in RULES ? RULES[kind][0] + short(value) : kind),
  },
  { key: "m", name: "mode", initial: "heat", parse: oneOf("heat", "contour", "mask") },
  { key: "g", name: "cells", initial: false, ...flag },
  { key: "cm", name: "colormap", initial: "inferno", parse: oneOf(...ONE_SIGN_COLORMAPS) },
  { key: "o", name: "opacity", initial: 0.6, parse: within(0, 1), format: short },
  {
    key: "s", name: "scale", initial: "image", format: (scale) => (typeof scale === "number" ? short(scale) : scale),
    parse: (text) => oneOf("image", "class")(text) ?? (numberOf(text) > 0 ? numberOf(text) : undefined),
  },
  { key: "b", name: "boxes", initial: "none", parse: oneOf("none", "largest", "all") },
  { key: "gray", initial: true, ...flag },
  { key: "h", name: "hidden", initial: false, ...flag },
  {
    key: "z", name: "zoom", initial: null, format: ({ scale, x, y }) => [scale, x, y].map(short).join(),
    parse: (text) => {
      const [scale, x, y] = list(3, 0)(text) ?? [0];
      return scale >= 1 && scale <= 32 ? { scale, x, y } : undefined;
    },
  },
  { key: "cell", initial: null, parse: list(2, 0), format: String },
  { key: "show", name: "showFlagged", initial: false, ...flag },
];

/** Return the position of the target that `c` names; -1 when there is none. */
export function positionOf(targets, c) {
  if (c === null) return 0;
  if (c[0] === "t") return Number(c.slice(1)) < targets.length ? Number(c.slice(1)) : -1;
  return targets.findIndex((target) => isPlain(target) && target.score.index === Number(c));
}

/** Name a target in the address. */
export function nameOf(targets, position) {
  if (position === 0) return null;
  const { score } = targets[position];
  return positionOf(targets, String(score.index)) === position ? String(score.index) : `t${position}`;
}

/** Name a target for people. */
export function labelOf({ score, rivals = [], against = false }) {
  const not = rivals.length ? `, not ${rivals.map(({ label }) => label).join(", ")}` : "";
  return `${against ? "against " : ""}${score.label}${not}`;
}

/** Return the view of `<seewhy-map>` that the values of `FIELDS` mean. */
export function elementView(values, { targets, mapHeight, mapWidth }) {
  const a = Math.max(positionOf(targets, values.c), 0);
  const b = values.vs === null ? -1 : positionOf(targets, values.vs);
  const isCell = values.cell && values.cell[0] < mapHeight && values.cell[1] < mapWidth;
  return {
    ...values,
    chosen: b >= 0 && b !== a ? { contrast: [a, b] } : a,
    threshold: values.threshold.kind === "off" ? null : values.threshold,
    cell: isCell ? values.cell : null,
  };
}
