/** Everything that a view shows of a map, computed once for each combination of settings. */
import { DEFAULT_THRESHOLD } from "./constants.js";
import { colorize, colormapFor, hatch } from "./color.js";
import { contrast, enlarge, enlargeCells, geometry, negativeShare } from "./map.js";
import { findRegions, isolines, sharesOf, thresholdShare } from "./regions.js";
import { colorScale } from "./scale.js";
import { describeMap, flagWords } from "./words.js";

const MAX_BOXES = 50;
const HALF = 0.5;

/** Keep the last value of a computation for as long as its arguments are the same. */
function remember(compute) {
  let [keys, value] = [null, null];
  return (...next) => {
    if (!keys || next.some((key, n) => key !== keys[n])) {
      [keys, value] = [next, compute(...next)];
    }
    return value;
  };
}

/** Compute what a view shows of the maps of one image. */
export class Layers {
  /** @param {object} data see `SeewhyMap.data` */
  constructor(data, maxSidePx) {
    const { mapHeight, mapWidth } = data;
    this.data = data;
    this.place = geometry(data, maxSidePx);
    this.size = { height: mapHeight, width: mapWidth };
    const { width, height } = this.place.covered;
    this.sizePx = { heightPx: height, widthPx: width };
    this.values = remember((a, b) =>
      b === null
        ? data.maps[a]
        : contrast(data.maps[a], data.maps[b], { normalized: !data.linear }));
    this.negativeShare = remember(negativeShare);
    this.shares = remember(sharesOf);
    this.smooth = remember((shares) => enlarge(shares, this.size, this.sizePx));
    this.cells = remember((shares) => enlargeCells(shares, this.size, this.sizePx));
    this.share = remember((shares, kind, value, maximum) =>
      kind === "value" ? value / maximum : thresholdShare(shares, { kind, value }));
    const find = (shares, share) => findRegions(this.smooth(shares), this.sizePx, share, MAX_BOXES);
    this.found = remember(find);
    this.strong = remember(find);
    this.scales = new Map();
    this.image = new ImageData(width, height);
    this.painted = null;
    this.outline = remember((shares, share) => isolines(this.smooth(shares), this.sizePx, share));
  }

  /** Return the numbers of a view: see the getters of the element. */
  read(view) {
    const { data } = this;
    const [a, b] = view.chosen.contrast ?? [view.chosen, null];
    const values = this.values(a, b);
    const { shares, maximum } = this.shares(values, view.polarity);
    const rule = view.threshold;
    const share = rule && maximum ? this.share(shares, rule.kind, rule.value, maximum) : 0;
    // Without a threshold, the regions are those of the default rule.
    const regionShare = maximum ? (rule ? share : DEFAULT_THRESHOLD) : 0;
    const found = this.found(shares, regionShare);
    return {
      values,
      shares,
      maximum,
      share,
      regionShare,
      scale: this.scale(view, values, b === null ? a : null),
      thresholdValue: rule ? share * maximum : null,
      boxes: found.regions.map(({ box }) => this.place.toImage(box)),
      areaShare: this.areaShare(found),
      massShare: found.massShare,
      flag: this.flag(view, a, b),
    };
  }

  scale(view, values, chosen) {
    const { data } = this;
    const options = { method: data.method, polarity: view.polarity, normalize: view.scale };
    if (chosen === null) {
      // A difference has much smaller values than the maps and is compared with none.
      return colorScale([values], 0, { ...options, targets: [{}] });
    }
    const key = `${chosen} ${view.polarity} ${view.scale}`;
    if (!this.scales.has(key)) {
      this.scales.set(key, colorScale(data.maps, chosen, { ...options, targets: data.targets }));
    }
    return this.scales.get(key);
  }

  /** Say why the map of a view is not to be trusted; a difference is as good as its worse map. */
  flag({ polarity }, a, b) {
    if (b === null) return flagWords(this.data.targets[a], polarity);
    return [a, b].map((n) => flagWords(this.data.targets[n], "signed")).find(Boolean) ?? "";
  }

  areaShare({ areaPx }) {
    return areaPx / (this.place.widthPx * this.place.heightPx);
  }

  /** Describe the strong evidence in a sentence: from half of the strongest on, or from a higher
   * threshold. */
  sentence(view, numbers) {
    const { shares, maximum, regionShare } = numbers;
    const strong = this.strong(shares, maximum && Math.max(HALF, regionShare));
    const [highest] = strong.regions.toSorted((a, b) => b.score - a.score);
    const described = describeMap({
      ...this.data,
      box: highest && this.place.toImage(highest.box),
      areaShare: this.areaShare(strong),
      massShare: strong.massShare,
      polarity: view.polarity,
      negativeShare: this.negativeShare(numbers.values),
    });
    return numbers.flag ? `${numbers.flag} ${described}` : described;
  }

  /** Paint a canvas, unless nothing in it has changed. */
  paint(canvas, view, numbers) {
    const { chosen, polarity, colormap, threshold, mode, cells, scale, showFlagged } = view;
    const painted = JSON.stringify(
      [chosen, polarity, colormap, threshold, mode, cells, scale, showFlagged]);
    if (painted === this.painted) return;
    this.painted = painted;
    const target = this.image;
    const gray = numbers.flag && !showFlagged;
    const { shares, maximum, share, regionShare } = numbers;
    const heat = mode === "heat";
    colorize(
      heat && cells ? this.cells(shares) : this.smooth(shares),
      {
        scale: numbers.scale / (maximum || 1),
        polarity,
        colormap: gray ? "gray" : colormapFor(colormap, polarity),
        threshold: heat ? share : regionShare,
        mode,
      },
      target,
    );
    if (gray) hatch(target, { x: 0, y: 0, width: target.width, height: target.height }, false);
    this.hatchCells(numbers.values, target);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    // Nothing outside of the map reaches the threshold.
    if (mode === "mask") context.fillRect(0, 0, canvas.width, canvas.height);
    context.putImageData(target, this.place.covered.x, this.place.covered.y);
  }

  hatchCells(values, target) {
    const width = target.width / this.size.width;
    const height = target.height / this.size.height;
    values.forEach((value, cell) => {
      if (Number.isFinite(value)) return;
      const row = Math.floor(cell / this.size.width);
      const x = (cell % this.size.width) * width;
      hatch(target, { x, y: row * height, width, height });
    });
  }
}
