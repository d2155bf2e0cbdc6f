"""The real networks, loaded once for all golden tests that compare with other libraries."""

import pytest

from golden import subjects as real
from golden.subjects import Subject


@pytest.fixture(scope="session")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    return {
        "brain-tumour": real.brain_tumour(tmp_path_factory.mktemp("labels")),
        "efficientnet-lite0": real.efficientnet_lite0(),
    }
