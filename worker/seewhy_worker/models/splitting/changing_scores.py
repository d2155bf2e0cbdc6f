"""Scores that requests choose: variables that compiled graphs read."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from seewhy_worker.models.splitting.inputs import CHANGING_VARIABLE
from seewhy_worker.ports.scoring import DEFAULT_SCORING, Scoring


class ChangingScores:
    """The scoring of the current request. All splits of a network share one."""

    def __init__(self) -> None:
        self._scoring = DEFAULT_SCORING
        self._selection: keras.Variable | None = None

    def set(self, scoring: Scoring) -> None:
        """Score as `scoring` says from now on, also in graphs compiled for a scoring of its kind.

        A graph that is compiled while nothing is chosen scores the whole image for good.
        """
        self._scoring = scoring
        if scoring.selection is not None:
            self._selection = _assign(self._selection, scoring.selection)

    @property
    def selection(self) -> Any:
        """(h, w), the pixels that count, as a boolean tensor; None for all."""
        if self._scoring.selection is None or self._selection is None:
            return None
        return self._selection.value


def _assign(variable: keras.Variable | None, values: NDArray[Any]) -> keras.Variable:
    """Assign values to a variable, which is made of the first ones."""
    if variable is None:
        return keras.Variable(
            values, dtype=values.dtype.name, trainable=False, name=CHANGING_VARIABLE
        )
    variable.assign(np.asarray(values))
    return variable
