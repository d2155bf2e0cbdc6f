"""How long the gallery takes to show a thousand explanations in Chromium, and its memory.

The explanations are those of a service whose worker explains brightness (`seewhy_worker.stub`): the
API, the ledger and the images are real. One time runs from the navigation until all are listed
and sorted, the other until the images on the screen are loaded, too. The memory is that of the
page's renderer process (Pss), and its JavaScript heap, before and after the whole list was scrolled
through, with all images. Prints Markdown.

    PYTHONPATH=tests python benchmarks/inspector_gallery.py
"""

import argparse
import re
import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from playwright.sync_api import Browser, Page, expect

from images import encoded, gradient
from seewhy.client import Client
from servers.browser import Watch, opened_page, running_browser
from servers.process_cluster import MODEL, running_api
from servers.valkey import start_valkey
from servers.waiting import wait_until

TIME_BUDGET_MS, MEMORY_BUDGET_MB = 1_500, 150
LISTED = "(count) => document.querySelector('.gallery .head')?.textContent.includes(count)"
SHOWN = """() => [...document.querySelectorAll(".tiles > li")].every((tile) => {
    const { top, bottom } = tile.getBoundingClientRect();
    return bottom < 0 || top > innerHeight || !tile.querySelector("canvas").hidden;
})"""
SCROLL = "innerHeight + scrollY < document.body.scrollHeight && (scrollBy(0, innerHeight), true)"


def fill(url: str, count: int) -> None:
    """Have so many photos explained, each of another size."""
    with Client(url) as client, ThreadPoolExecutor(8) as threads:

        def submit(number: int) -> None:
            photo = gradient(400 + number % 100, 300 + number // 100)
            client.submit(encoded(photo, "JPEG"), model=MODEL, targets="top:2", cache=False)

        list(threads.map(submit, range(count)))
    wait_until(lambda: not open_explanations(url), what="explanations end", limit_s=300)


def open_explanations(url: str) -> list[str]:
    """Return the ids of the newest hundred that have no outcome."""
    summaries = httpx2.get(f"{url}/v1/summaries", timeout=60).json()["summaries"]
    return [one["id"] for one in summaries if one["status"] in {"queued", "running"}]


def memory_mb(browser: Browser, page: Page) -> tuple[float, float]:
    """Return the proportional set size of the largest renderer process, and the JavaScript heap."""
    page.request_gc()
    session = browser.new_browser_cdp_session()
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    maps = [
        Path(f"/proc/{one['id']}/smaps_rollup").read_text()
        for one in processes
        if one["type"] == "renderer"
    ]
    sizes_kb = [int(re.findall(r"^Pss:\s+(\d+)", text, re.MULTILINE)[0]) for text in maps]
    heap_bytes = page.evaluate("performance.memory.usedJSHeapSize")
    return max(sizes_kb) / 1024, heap_bytes / 2**20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    command = shutil.which("chromium") or shutil.which("google-chrome")
    assert command, "Chromium is not installed"
    listed_ms, images_ms = [], []
    with (
        tempfile.TemporaryDirectory() as name,
        start_valkey(Path(name) / "valkey") as valkey,
        running_api(valkey, Path(name)) as cluster,
    ):
        cluster.start_stub_worker()
        fill(cluster.url, arguments.count)
        with running_browser(command) as browser:
            for number in range(arguments.rounds):
                with opened_page(browser, Watch()) as page:
                    started = time.perf_counter()
                    page.goto(cluster.url)
                    page.wait_for_function(LISTED, arg=str(arguments.count))
                    listed_ms.append((time.perf_counter() - started) * 1000)
                    page.wait_for_function(SHOWN)
                    images_ms.append((time.perf_counter() - started) * 1000)
                    if number < arguments.rounds - 1:
                        continue
                    before = memory_mb(browser, page)
                    while page.evaluate(SCROLL):
                        page.wait_for_timeout(50)
                        page.wait_for_function(SHOWN)
                    expect(page.locator(f"[aria-posinset='{arguments.count}']")).to_be_visible()
                    tiles = page.locator(".tiles > li").count()
                    after = memory_mb(browser, page)
    print(f"{arguments.count} explanations, {arguments.rounds} new profiles\n")
    print("| | median | worst |\n| --- | ---: | ---: |")
    for label, times in (("listed and sorted", listed_ms), ("images shown", images_ms)):
        print(f"| {label}, ms | {statistics.median(times):.0f} | {max(times):.0f} |")
    print(f"\nRenderer {before[0]:.0f} MB, heap {before[1]:.1f} MB; after scrolling through all:")
    print(f"renderer {after[0]:.0f} MB, heap {after[1]:.1f} MB, {tiles} tiles.")
    print(f"Budget: {TIME_BUDGET_MS} ms, {MEMORY_BUDGET_MB} MB, 60 tiles.")


if __name__ == "__main__":
    main()
