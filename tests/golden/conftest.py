"""Load the real networks once for all golden tests that compare with other libraries."""

import pytest

from golden import reference_models
from golden.reference_models import ReferenceModel


@pytest.fixture(scope="session")
def reference_model_by_name(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ReferenceModel]:
    return {
        "brain-tumour": reference_models.brain_tumour(tmp_path_factory.mktemp("labels")),
        "efficientnet-lite0": reference_models.efficientnet_lite0(),
    }
