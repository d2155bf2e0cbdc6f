"""What a worker does with the arguments of a wakeup."""

import logging
from pathlib import Path
from typing import Any

import pytest

from seewhy.broker.wakeups import RUN_JOBS_TASK
from seewhy.settings import load
from seewhy_worker.app import create_worker


@pytest.mark.parametrize("arguments", [[], [7], [None, "two"], ["unknown:batch"], [{"a": "m"}]])
def test_a_malformed_wakeup_is_one_warning(
    arguments: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = create_worker(load({}, store_url=f"file://{tmp_path}"), explainers={})
    with caplog.at_level(logging.WARNING):
        worker.celery.tasks[RUN_JOBS_TASK](*arguments, added_later=1)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.message.startswith("Ignoring a wakeup for ")
    assert "\n" not in record.message
