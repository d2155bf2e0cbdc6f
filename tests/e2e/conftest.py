"""The environment of the processes that these tests start."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def small_batches() -> Iterator[None]:
    """Let workers warm up quickly: they compile the network for every size of a batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEWHY_MAX_BATCH", "2")
        yield
