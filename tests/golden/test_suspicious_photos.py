"""Planted faults among a hundred real explanations: the suspicion puts them first, and says why."""

from collections.abc import Mapping

import pytest
from PIL import Image

from golden.suspicious_photos import (
    BATCH,
    Case,
    example_faults,
    examples,
    held_out,
    held_out_faults,
    ordinary,
    suspicions,
)
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer


@pytest.fixture(scope="module")
def explainer() -> KerasExplainer:
    settings = load({})
    spec = Catalog.load(settings).get("efficientnet-lite0")
    weights_path = obtain_weights(spec, settings, progress=lambda done, total: None)
    return load_explainer(spec, weights_path=weights_path, max_batch=BATCH)


@pytest.mark.parametrize(
    ("photos", "planted"),
    [
        pytest.param(examples(), example_faults(), id="examples"),
        pytest.param(held_out(), held_out_faults(), id="held out"),
    ],
)
def test_six_faults_among_a_hundred_explanations_are_among_the_ten_most_suspicious(
    explainer: KerasExplainer, photos: Mapping[str, Image.Image], planted: Mapping[str, Case]
) -> None:
    plain = {f"ordinary {n}": case for n, case in enumerate(ordinary([*photos.values()]))}
    cases = plain | dict(planted)
    found = dict(zip(cases, suspicions(explainer, [*cases.values()]), strict=True))
    ranked = sorted(found, key=lambda name: -found[name].score)
    assert set(planted) <= set(ranked[:10]), [(name, found[name]) for name in ranked[:16]]
    for name, case in planted.items():
        assert case.reason in {part.reason for part in found[name].parts}, (name, found[name])
        assert all(part.words for part in found[name].parts)
