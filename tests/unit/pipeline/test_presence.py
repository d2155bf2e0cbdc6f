"""What a worker says about itself."""

import pytest

from seewhy_worker.pipeline.presence import describe_engines


@pytest.mark.parametrize(
    ("engines", "expected"),
    [
        ({}, ""),
        ({"a": "tensorflow 2.21.0", "b": "tensorflow 2.21.0"}, "tensorflow 2.21.0"),
        (
            {"a": "tensorflow 2.21.0", "b": "openvino 2026.4.1 bfloat16"},
            "a: tensorflow 2.21.0, b: openvino 2026.4.1 bfloat16",
        ),
    ],
)
def test_a_worker_names_the_engine_of_each_model_if_they_differ(
    engines: dict[str, str], expected: str
) -> None:
    assert describe_engines(engines) == expected
