"""The cost of an explanation, in forward passes of the network."""

from collections.abc import Mapping
from types import MappingProxyType

from seewhy.schemas.installed_methods import known_methods
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import MethodInfo

FAITHFULNESS_STEPS = 8
"""The steps in which trust scores uncover an image, and cover it."""
IMAGES_PER_MAP = 2 * (FAITHFULNESS_STEPS - 1) + 1
"""The images that trust scores test for each map: both directions, and the map's evidence."""

_HEAD = 0.1
"""A head at the target layer, forward and backward."""
_HEAD_PER_TARGET = 6.0
"""A head that is nearly the whole network, forward, backward and backward again."""
_HEAD_PER_CHANNEL = 513.0
"""The same head, forward, once for each channel."""


def forward_passes(
    *methods: MethodOptions, targets: int, ratios: Mapping[str, float] = MappingProxyType({})
) -> float:
    """Estimate the most forward passes that one image can take, with every fallback tried.

    Several methods share the pass through the body, so each one after the first costs a pass less.

    The costs are those of VGG16 (`MethodInfo.forward_passes`). A chosen layer counts as an early
    one, where the head that is repeated is nearly the whole network. An unknown method counts as
    one pass. `ratios` says, by method, how many times as much it costs on another network.
    """
    first, *others = (_passes(options, targets, ratios) for options in methods)
    return first + sum(map(without_body, others))


def likely_passes(
    *methods: MethodOptions, targets: int, ratios: Mapping[str, float] = MappingProxyType({})
) -> float:
    """Estimate the forward passes that one image takes, as `forward_passes` without fallbacks."""
    first = [options.model_copy(update={"fallback": ()}) for options in methods]
    return forward_passes(*first, targets=targets, ratios=ratios)


def without_body(passes: float) -> float:
    """Return what a method costs whose image went through the body for another method."""
    return max(_HEAD, passes - 1)


def faithfulness_passes(maps: int) -> int:
    """Return how many forward passes the trust scores of one image with `maps` maps take."""
    return 1 + IMAGES_PER_MAP * maps


def _passes(options: MethodOptions, targets: int, ratios: Mapping[str, float]) -> float:
    total = 0.0
    for name in (options.method, *options.fallback):
        info = known_methods().get(name)
        passes = _method_passes(info, targets, bool(options.layers)) if info else 1
        total += passes * ratios.get(name, 1.0)
    return total + (faithfulness_passes(targets) if options.trust else 0)


def _method_passes(info: MethodInfo, targets: int, layer_chosen: bool) -> float:
    if info.pixel_level:
        return info.forward_passes * targets
    if not layer_chosen:
        return info.forward_passes  # all targets share the passes
    head = _HEAD_PER_CHANNEL if info.forward_passes > 1 else _HEAD_PER_TARGET * targets
    return max(info.forward_passes, head)
