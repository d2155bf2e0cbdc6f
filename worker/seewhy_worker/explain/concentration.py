"""The numbers of each map that say where its evidence is, for sorting explanations."""

from collections.abc import Sequence
from dataclasses import replace

from seewhy.imaging.concentration import border_share, overlap
from seewhy_worker.explain.types import ImageExplanation

_DECIMALS = 4
"""Results are kept in Redis: more digits take space and say nothing."""


def with_concentration(explanations: Sequence[ImageExplanation]) -> list[ImageExplanation]:
    """Add the numbers to each map of an image, those of one method and layer after another."""
    first = explanations[0].maps[0]
    measured = []
    for number, explanation in enumerate(explanations):
        targets = [
            target.model_copy(
                update={
                    "border_share": _rounded(border_share(signed)),
                    "overlap": _rounded(overlap(signed, first)) if number or position else None,
                }
            )
            for position, (target, signed) in enumerate(
                zip(explanation.targets, explanation.maps, strict=True)
            )
        ]
        measured.append(replace(explanation, targets=tuple(targets)))
    return measured


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DECIMALS)
