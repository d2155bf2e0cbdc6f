"""What a worker does with the arguments of a wakeup."""

import logging
from pathlib import Path
from typing import Any

import pytest

from seewhy.broker.wakeups import RUN_JOBS_TASK
from seewhy.settings import load
from seewhy_worker.app import create_worker
from seewhy_worker.stub import StubExplainer, StubModels


def test_a_malformed_wakeup_is_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load({}, store_url=f"file://{tmp_path}")
    worker = create_worker(settings, source=StubModels(lambda _: StubExplainer()))
    run_jobs = worker.celery.tasks[RUN_JOBS_TASK]
    malformed: list[list[Any]] = [[], [7], [None, "two"], ["unknown:batch"], [{"a": "m"}]]
    for arguments in malformed:
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            run_jobs(*arguments, added_later=1)
        (record,) = caplog.records
        assert record.levelname == "WARNING"
        assert record.message.startswith("Ignoring a wakeup for ")
        assert "\n" not in record.message
