"""The estimate of an explanation's forward passes."""

from typing import Any

import pytest

from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import METHOD_INFO, METHODS
from seewhy.schemas.passes import forward_passes
from seewhy.settings.limits import Limits

DEFAULT_LIMIT = Limits.model_fields["max_passes_per_request"].default


@pytest.mark.parametrize(
    ("targets", "options", "passes"),
    [
        (1, {}, 1),
        (20, {}, 1),
        (20, {"layers": ("a",)}, 120),
        (1, {"trust": True}, 1 + 16),
        (20, {"trust": True}, 1 + 301),
        (5, {"method": "scorecam"}, 513),
        (5, {"method": "ablationcam"}, 6),
        (5, {"method": "ablationcam", "layers": ("a",)}, 513),
        (5, {"method": "smoothgrad"}, 5 * 60),
        (2, {"method": "guided-gradcam", "layers": ("a",)}, 2 * 4.5),
        (1, {"method": "hirescam", "fallback": ("scorecam", "classic")}, 1 + 513 + 1),
        (20, {"method": "integrated-gradients", "fallback": ("smoothgrad",)}, 20 * (96 + 60)),
        (1, {"method": "unknown"}, 1),
    ],
)
def test_the_passes_depend_on_methods_targets_layers_and_trust_scores(
    targets: int, options: dict[str, Any], passes: float
) -> None:
    assert forward_passes(MethodOptions(**options), targets=targets) == passes


def test_several_methods_pay_for_one_pass_through_the_body() -> None:
    methods = [MethodOptions(method=name) for name in ("gradcam", "hirescam", "ablationcam")]
    assert forward_passes(*methods, targets=5) == pytest.approx(1 + 0.1 + 5)
    assert forward_passes(*reversed(methods), targets=5) == pytest.approx(6 + 0.1 + 0.1)


def test_several_layers_pay_for_one_pass_through_the_body() -> None:
    layers: list[tuple[str, ...]] = [("a",), ("b",), ()]
    options = [MethodOptions(layers=one) for one in layers]
    assert forward_passes(*options, targets=2) == pytest.approx(12 + 11 + 0.1)
    assert forward_passes(*reversed(options), targets=2) == pytest.approx(1 + 11 + 11)


@pytest.mark.parametrize("method", METHODS)
def test_the_default_limit_admits_every_method_with_five_targets_and_trust_scores(
    method: str,
) -> None:
    layers = ("a",) if METHOD_INFO[method].uses_layer else ()
    options = MethodOptions(method=method, layers=layers, trust=True)
    assert forward_passes(options, targets=5) <= DEFAULT_LIMIT
