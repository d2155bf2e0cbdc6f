"""A service with a real model, for pages in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from servers.browser import LIMIT_MS
from servers.explaining import ExplainingService, explaining_service

expect.set_options(timeout=LIMIT_MS)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExplainingService]:
    """A service that explains photos with EfficientNet-Lite0; tests share what it stores."""
    with explaining_service(tmp_path_factory.mktemp("service")) as service:
        yield service
