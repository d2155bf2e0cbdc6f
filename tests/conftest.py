"""Fixtures for servers and files that all tests share."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser, Page

from seewhy.embedded.tcp_ports import free_port
from servers import helm
from servers import s3 as s3_servers
from servers.browser import Watch, opened_page, running_browser
from servers.valkey import RedisServer, redis_binary, start_valkey

# A property is about values. A loaded machine must not fail it for its time.
hypothesis_settings.register_profile("seewhy", deadline=None)
hypothesis_settings.load_profile("seewhy")

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"
TESTS = Path(__file__).parent
LONG_MODULES_FIRST = ("faults", "e2e", "golden", "contract", "integration")
"""Folders by the time that their longest module takes; see `pytest_collection_modifyitems`."""
UNMEASURED = ("faults", "e2e", "golden")
"""Folders without coverage, which costs a third: they run what other tests run, but for longer."""


def pytest_configure() -> None:
    """Let workers compute with TensorFlow, whose maps do not depend on the processor.

    They write no bundles, which would be left in the home directory.
    """
    os.environ.setdefault("SEEWHY_WORKER_ENGINE", "tensorflow")
    os.environ.setdefault("SEEWHY_BUNDLES", "false")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest modules first, so that the processes of a parallel run end together."""
    ranks = {folder: rank for rank, folder in enumerate(LONG_MODULES_FIRST)}
    items.sort(key=lambda item: ranks.get(folder_of(item), len(ranks)))
    for item in items:
        if folder_of(item) in UNMEASURED:
            item.add_marker("no_cover")


def folder_of(item: pytest.Item) -> str:
    """Return the folder of `tests` that holds the test."""
    return item.path.relative_to(TESTS).parts[0]


@pytest.fixture(scope="module", autouse=True)
def unmeasured_processes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start the processes of `UNMEASURED` tests without coverage."""
    with pytest.MonkeyPatch.context() as patch:
        if folder_of(request.node) in UNMEASURED:
            patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield


def skip_without(server: str) -> NoReturn:
    """Skip the test, or fail it in CI, where every server must be installed."""
    if os.environ.get("CI"):
        pytest.fail(f"{server} is not installed; CI requires it")
    pytest.skip(f"{server} is not installed")


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Valkey server."""
    with start_valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A running Redis server."""
    binary = redis_binary() or skip_without("redis-server")
    with start_valkey(tmp_path_factory.mktemp("redis"), binary=binary) as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[s3_servers.S3Server]:
    """A running S3 server."""
    with s3_servers.running() as server:
        yield server


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[helm.HelmChart]:
    """The Helm chart of infra/helm."""
    if not helm.PYTHON.exists():
        skip_without("Helm, from `make helm`,")
    with helm.helm_chart(tmp_path_factory.mktemp("helm") / "log") as chart:
        yield chart


@pytest.fixture(scope="session")
def photos() -> Path:
    """The folder of example photos."""
    return PHOTOS


@pytest.fixture(scope="session")
def chromium() -> str:
    """The command of a browser of the Chromium family."""
    found = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, found), None) or skip_without("Chromium")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A headless browser that reaches no other machine.

    Tests after the module may call `asyncio.run`, which fails while the browser runs.
    """
    with running_browser(chromium) as browser:
        yield browser


@pytest.fixture
def watch() -> Watch:
    """What the test's page did that a user would not want; the test fails if it did anything."""
    return Watch()


@pytest.fixture
def page(browser: Browser, watch: Watch) -> Iterator[Page]:
    """A page of a new browser profile."""
    with opened_page(browser, watch) as page:
        yield page
        watch.check()


@pytest.fixture(scope="session")
def node() -> str:
    """The command of Node.js, which has `fetch` since version 18."""
    return shutil.which("node") or skip_without("Node.js")


@pytest.fixture
def unused_port() -> int:
    """A free loopback port."""
    return free_port()
