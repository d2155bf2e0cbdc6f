"""How long the inspector takes to open, and to paint after a change of its controls, in Chromium.

A square photo with the maps of five classes, on a service with EfficientNet-Lite0. The canvas is
512 pixels wide and high. The times are those that the map element reports for each paint: from the
values of the map to the last pixel of the canvas. Prints Markdown.

    PYTHONPATH=tests python benchmarks/inspector_paint.py
"""

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, expect

from servers.browser import Watch, opened_page, running_browser
from servers.explaining import explaining_service

PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "coffee.jpg"
SIDE_PX = 1024
BUDGET_MS = 16
CHANGES: Mapping[str, Sequence[str]] = {
    "class": ("2", "3", "4", "5", "1"),
    "threshold": ("=", "=", "=", "-", "-"),
    "view": ("m", "m", "m"),
    "color map": ("c", "c", "c", "c", "c"),
    "evidence": ("p", "p", "p"),
    "cells or smooth": ("g", "g"),
    "contrast of two classes": ("v", "v"),
    "hidden map": ("h", "h"),
}
"""Name of a control → keys that change it; together they lead back to the start."""
RECORD = """{
    const seen = [];
    document.querySelector("seewhy-map").addEventListener("paint", ({ detail }) =>
        seen.push(detail.ms));
    seen
}"""

NOTE_CONTROLS = """new MutationObserver((changes, observer) => {
    if (document.querySelector(".controls")) {
        window.shownMs = performance.now();
        observer.disconnect();
    }
}).observe(document, { childList: true, subtree: true });"""
TRANSFERS = """(() => {
    const entries = ["navigation", "resource"]
        .flatMap((type) => performance.getEntriesByType(type));
    return [entries.length, entries.reduce((sum, { transferSize }) => sum + transferSize, 0)];
})()"""


def large_photo(folder: Path) -> Path:
    """Write a square photo."""
    path = folder / "photo.jpg"
    ImageOps.fit(Image.open(PHOTO).convert("RGB"), (SIDE_PX, SIDE_PX)).save(path)
    return path


def measure(page: Page, rounds: int) -> dict[str, list[float]]:
    """Change each control in turn; return the times of the paints in ms, by control."""
    paints = page.evaluate_handle(RECORD)
    times_ms: dict[str, list[float]] = {name: [] for name in CHANGES}
    for _ in range(rounds):
        for name, keys in CHANGES.items():
            for key in keys:
                page.keyboard.press(key)
                page.evaluate("new Promise(requestAnimationFrame)")
            times_ms[name] += paints.evaluate("seen => seen.splice(0)")
    return times_ms


def measure_opening(browser: Browser, url: str, times: int) -> str:
    """Open a page in new profiles; return its time in ms, its requests and their bytes."""
    shown_ms, requests, received_bytes = [], 0, 0
    for _ in range(times):
        with opened_page(browser, Watch()) as page:
            page.add_init_script(NOTE_CONTROLS)
            page.goto(url)
            expect(page.locator(".controls").first).to_be_visible()
            shown_ms.append(page.evaluate("shownMs"))
            requests, received_bytes = page.evaluate(TRANSFERS)
    return (
        f"The controls are there after {statistics.median(shown_ms):.0f} ms (median of {times}), "
        f"with {requests} requests and {received_bytes / 1000:.0f} kB."
    )


def row(name: str, times_ms: Sequence[float]) -> str:
    """Return a row of the table."""
    ordered = sorted(times_ms)
    p95 = ordered[max(0, round(0.95 * len(ordered)) - 1)]
    return (
        f"| {name} | {len(ordered)} | {statistics.median(ordered):.1f} | {p95:.1f} "
        f"| {ordered[-1]:.1f} |"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    command = shutil.which("chromium") or shutil.which("google-chrome")
    assert command, "Chromium is not installed"
    with (
        tempfile.TemporaryDirectory() as name,
        explaining_service(Path(name)) as service,
    ):
        job_id = service.explain(large_photo(Path(name)), targets="top:5")
        url = f"{service.url}/#/e/{job_id}"
        with running_browser(command) as browser, opened_page(browser, Watch()) as page:
            print(measure_opening(browser, url, times=10))
            page.goto(url)
            expect(page.locator(".controls").first).to_be_visible()
            measure(page, 1)  # the engine compiles what runs often
            times_ms = measure(page, rounds)
            canvas = page.locator("seewhy-map canvas").first
            width, height = canvas.evaluate("({ width, height }) => [width, height]")
    print(f"\nCanvas of {width} × {height} px\n")  # noqa: RUF001
    print("| change | paints | median ms | p95 ms | max ms |\n| --- | ---: | ---: | ---: | ---: |")
    for control, times in times_ms.items():
        if times:
            print(row(control, times))
    every = [each for times in times_ms.values() for each in times]
    print(row("all", every))
    print(f"\nBudget: p95 below {BUDGET_MS} ms")


if __name__ == "__main__":
    main()
