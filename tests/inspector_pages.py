"""Screenshots of pages, and what every page owes to everybody who uses it."""

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SCREENSHOTS = Path(__file__).parents[1] / "build" / "inspector"
THEMES = ("dark", "light")


def save_screenshot(page: Page, name: str) -> None:
    """Write the page, from its top to its end, to `build/inspector`."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def find_barriers(page: Page) -> list[str]:
    """Return what axe finds: the rule, and the elements that break it."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {', '.join(str(node['html']) for node in found['nodes'])}"
        for found in violations
    ]


def check_access(page: Page, name: str) -> None:
    """Take a screenshot, and assert that axe finds no barrier."""
    save_screenshot(page, name)
    assert find_barriers(page) == []
