"""The cost of a job: its device time, in thousandths of a forward pass of its model.

Relative to the time of a pass, a method costs about the same on every device. So costs can be added
up in a queue, and stay right when workers with other devices take over.
"""

from collections.abc import Sequence

from seewhy.estimates.measured_times import Quantiles
from seewhy.ledger.types import PASS_COST, PLAIN_METHOD, DeviceTimes
from seewhy.schemas.installed_methods import known_methods
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.passes import likely_passes


def job_cost(methods: Sequence[MethodOptions], *, targets: int, times: DeviceTimes) -> int:
    """Return what a job will probably cost; fallbacks are rare and do not count.

    A method that no worker has measured for the model costs what it costs on VGG16.
    """
    passes = likely_passes(*methods, targets=targets, ratios=_ratios(times))
    return max(1, round(PASS_COST * passes))


def _ratios(times: DeviceTimes) -> dict[str, float]:
    """Return, by method, how many times as much it costs as on VGG16."""
    measured = [of_device for of_device in times.values() if of_device.get(PLAIN_METHOD)]
    if not measured:
        return {}
    best = max(measured, key=lambda of_device: sum(map(len, of_device.values())))
    pass_ms = Quantiles.of(best[PLAIN_METHOD]).p50
    if pass_ms <= 0:
        return {}
    known = known_methods()
    return {
        name: Quantiles.of(values).p50 / (pass_ms * known[name].forward_passes)
        for name, values in best.items()
        if name in known
    }
