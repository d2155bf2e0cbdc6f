"""The pace of a worker, which operators see."""

import pytest

from seewhy_worker.pipeline.pace import MEMORY_S, Pace


def test_the_pace_is_images_for_each_second_of_device_time_by_model() -> None:
    pace = Pace()
    assert pace.images_per_s() == {}
    pace.add("a", 8, device_s=0.5)
    pace.add("a", 4, device_s=0.5)
    pace.add("b", 1, device_s=2.0)
    pace.add("c", 1, device_s=0.0)
    assert pace.images_per_s() == {"a": 12.0, "b": 0.5}


def test_the_pace_follows_a_device_that_changes() -> None:
    pace = Pace()
    for images in (100, 10):
        for _ in range(int(10 * MEMORY_S)):
            pace.add("a", images, device_s=1.0)
    assert pace.images_per_s()["a"] == pytest.approx(10, rel=0.01)
