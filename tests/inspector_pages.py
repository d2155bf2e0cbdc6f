"""Screenshots of pages, and what every page owes to everybody who uses it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from servers.browser import VIEWPORT

Theme = Literal["dark", "light"]

SCREENSHOTS = Path(__file__).parents[1] / "build" / "inspector"
THEMES: tuple[Theme, ...] = ("dark", "light")
NARROW = {"width": 320, "height": 640}
ZOOMED = {"width": VIEWPORT["width"] // 2, "height": VIEWPORT["height"] // 2}
"""What a window of the usual size shows at 200 %."""
RAW = re.compile(r"Traceback|Exception|\w+Error\b|\bundefined\b|\bNaN\b|\[object|</?\w+>")
"""What programs say to each other."""

AXE_OPTIONS = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
"""All rules that are on by default, and targets of at least 24 pixels."""
ANIMATIONS_END = """Promise.all(document.getAnimations()
    .filter((animation) => animation.effect.getTiming().iterations < Infinity)
    .map((animation) => animation.finished)).then(() => null)"""


PAINTED = """async () => {
  await new Promise(requestAnimationFrame);  // what is not painted yet is painted with this frame
  return document.querySelector("seewhy-map canvas").toDataURL();
}"""


def painted_map(page: Page) -> str:
    """Return the pixels of the map on the canvas as a data URL of a PNG, once they are painted."""
    url: str = page.evaluate(PAINTED)
    return url


def save_screenshot(page: Page, name: str) -> None:
    """Write the page, from its top to its end, to `build/inspector`."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def find_barriers(page: Page) -> list[str]:
    """Return what axe finds: the rule, and the elements that break it."""
    return [
        f"{found['id']}: {', '.join(str(node['html']) for node in found['nodes'])}"
        for found in Axe().run(page, options=AXE_OPTIONS).response["violations"]
    ]


def check_access(page: Page, name: str) -> None:
    """Take a screenshot, and assert that axe finds no barrier."""
    page.evaluate(ANIMATIONS_END)
    save_screenshot(page, name)
    assert find_barriers(page) == []


def overflow_px(page: Page, size: Mapping[str, int]) -> int:
    """Return how far the page is wider than a window of a size, in pixels."""
    page.set_viewport_size({"width": size["width"], "height": size["height"]})
    width: int = page.evaluate("document.documentElement.scrollWidth")
    return width - size["width"]


def check_page(page: Page, name: str) -> None:
    """Check a page in both themes, on a narrow screen and at 200 %, with screenshots."""
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        check_access(page, f"{name}-{theme}")
    assert overflow_px(page, ZOOMED) <= 0
    overflow = overflow_px(page, NARROW)
    save_screenshot(page, f"{name}-narrow")
    assert overflow <= 0
    assert overflow_px(page, VIEWPORT) <= 0
    assert RAW.findall(page.locator("body").inner_text()) == []
