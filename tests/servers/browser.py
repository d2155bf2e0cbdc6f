"""A headless Chromium, driven by Playwright, and a record of what its pages should not do."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

LIMIT_MS = 30_000
"""How long a page may take to reach a state that a test waits for."""
expect.set_options(timeout=LIMIT_MS)
VIEWPORT = {"width": 1280, "height": 800}
_LOAD_FAILURE = "Failed to load resource"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
_REPORT_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
    reportViolation(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));"""


@contextmanager
def running_browser(command: str) -> Iterator[Browser]:
    """Run a browser that reaches no other machine until the block ends.

    Until then, `asyncio.run` fails in this thread, which has an event loop.
    """
    expect.set_options(timeout=LIMIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=command, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watch:
    """What the pages of a context do that a user would not want."""

    errors: list[str] = field(default_factory=list)
    """Exceptions, and errors and warnings of the console."""
    violations: list[str] = field(default_factory=list)
    """Violations of the content security policy."""
    failed_loads: list[str] = field(default_factory=list)
    """Answers of status 400 and above, and requests without an answer."""
    requests: list[str] = field(default_factory=list)
    """The URL of every request over the network."""
    foreign: list[str] = field(default_factory=list)
    """The URLs among them of other origins than that of the page."""
    failures_expected: bool = False
    """Whether `check` allows `failed_loads`."""

    def check(self) -> None:
        """Raise `AssertionError` with what was recorded, if anything was."""
        assert not self.errors, self.errors
        assert not self.violations, self.violations
        assert not self.foreign, self.foreign
        assert self.failures_expected or not self.failed_loads, self.failed_loads

    def start(self, page: Page) -> None:
        """Record a page, which has opened nothing yet."""
        page.expose_binding("reportViolation", lambda _, text: self.violations.append(text))
        page.add_init_script(_REPORT_VIOLATIONS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        text = f"{message.text} ({message.location.get('url', '')})"
        (self.failed_loads if _LOAD_FAILURE in text else self.errors).append(text)

    def _on_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in {"http", "https", "ws", "wss"}:
            return
        self.requests.append(request.url)
        page = url if request.is_navigation_request() else urlsplit(request.frame.url)
        if page.netloc and url.netloc != page.netloc:
            self.foreign.append(request.url)


@contextmanager
def opened_page(browser: Browser, watch: Watch, **options: Any) -> Iterator[Page]:
    """Provide a page of a new profile; `options` are those of Playwright's `new_context`."""
    context = browser.new_context(**{"viewport": VIEWPORT, "service_workers": "block"} | options)
    context.set_default_timeout(LIMIT_MS)
    try:
        page = context.new_page()
        watch.start(page)
        yield page
    finally:
        context.close()
