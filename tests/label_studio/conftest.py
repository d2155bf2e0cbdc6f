"""A real Label Studio, which `make test-label-studio` installs; other runs skip these tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from label_studio_page import block
from servers.real_label_studio import RealLabelStudio, running_label_studio


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealLabelStudio]:
    """A Label Studio whose user is logged in."""
    command = os.environ.get("TEST_LABEL_STUDIO")
    if command is None:
        pytest.skip("run `make test-label-studio`")
    folder = tmp_path_factory.mktemp("label-studio")
    with running_label_studio(str(Path(command).resolve()), folder) as studio:
        yield studio


@pytest.fixture(scope="session")
def label_config() -> str:
    """The labeling interface of the documentation."""
    return block("xml")


@pytest.fixture(scope="session")
def extra_params() -> str:
    """The extra parameters of the documentation."""
    return block("json")
