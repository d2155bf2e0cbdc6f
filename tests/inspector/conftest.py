"""A service with a real model, for pages in a real browser."""

from collections.abc import Iterator

import pytest

from servers.explaining import ExplainingService, GuardedApi, explaining_service, guarded_api


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExplainingService]:
    """A service that explains photos with EfficientNet-Lite0; tests share what it stores."""
    with explaining_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="session")
def guarded(
    service: ExplainingService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GuardedApi]:
    """An API of the service that requires keys."""
    with guarded_api(service, tmp_path_factory.mktemp("guarded")) as guarded:
        yield guarded
