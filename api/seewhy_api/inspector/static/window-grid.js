const MAX_TILES = 60;

/** A grid of tiles of one size, of which only those on the screen and next to it exist. */
export class WindowGrid {
  #items = [];
  #tiles = new Map();
  #frame = 0;

  /**
   * @param {HTMLElement} element A grid whose columns its style gives.
   * @param {function(Object): HTMLElement} create Make the tile of an item; items have an `id`.
   * @param {function(HTMLElement): void} remove Called with a tile that is no longer needed.
   */
  constructor(element, create, remove, signal) {
    Object.assign(this, { element, create, remove });
    element.addEventListener("keydown", (event) => this.#move(event));
    const later = () => {
      this.#frame ||= requestAnimationFrame(() => {
        this.#frame = 0;
        this.draw();
      });
    };
    for (const name of ["scroll", "resize"]) addEventListener(name, later, { passive: true, signal });
  }

  /** Show other items. */
  show(items) {
    this.#items = items;
    this.draw();
  }

  /** Create the tiles of what is on the screen, and remove the others. */
  draw() {
    const { element } = this;
    if (!element.isConnected) return;
    const { columns, heightPx } = this.#size();
    const rows = Math.ceil(this.#items.length / columns);
    const shown = Math.min(Math.ceil(innerHeight / heightPx) + 2, Math.floor(MAX_TILES / columns), rows);
    const above = -element.getBoundingClientRect().top / heightPx;
    const row = Math.min(Math.max(Math.floor(above - 0.5), 0), rows - shown);
    element.style.paddingTop = `${row * heightPx}px`;
    element.style.paddingBottom = `${(rows - row - shown) * heightPx}px`;
    const tiles = this.#items.slice(row * columns, (row + shown) * columns).map((item, n) => {
      const known = this.#tiles.get(item.id);
      const tile = known?.item.status === item.status ? known.tile : this.create(item);
      tile.ariaPosInSet = row * columns + n + 1;
      tile.ariaSetSize = this.#items.length;
      return [item.id, { item, tile }];
    });
    const wanted = new Map(tiles);
    for (const [id, { tile }] of this.#tiles) if (wanted.get(id)?.tile !== tile) this.remove(tile);
    this.#tiles = wanted;
    const all = tiles.map(([, { tile }]) => tile);
    if (all.length === element.children.length && all.every((tile, n) => tile === element.children[n])) return;
    const active = document.activeElement;
    element.replaceChildren(...all);
    if (element.contains(active)) active.focus({ preventScroll: true });
  }

  /** Measure the columns, and a row with the gap below it. */
  #size() {
    const { gridTemplateColumns, gridAutoRows, rowGap } = getComputedStyle(this.element);
    return { columns: gridTemplateColumns.split(" ").length, heightPx: parseFloat(gridAutoRows) + parseFloat(rowGap) };
  }

  /** Move the focus by an arrow. */
  #move(event) {
    const { columns, heightPx } = this.#size();
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    const next = Number(event.target.closest("li").ariaPosInSet) - 1 + step;
    if (!(next in this.#items)) return;
    event.preventDefault();
    const top = this.element.getBoundingClientRect().top + Math.floor(next / columns) * heightPx;
    if (top < 0 || top + heightPx > innerHeight) scrollBy(0, top - (innerHeight - heightPx) / 2);
    this.draw();
    this.#tiles.get(this.#items[next].id).tile.querySelector("a").focus({ preventScroll: true });
  }
}
