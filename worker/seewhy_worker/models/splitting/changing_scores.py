"""Scores that requests choose: variables that compiled graphs read."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from seewhy_worker.models.splitting.inputs import CHANGING_VARIABLE
from seewhy_worker.models.splitting.similarity import directions_of


class ChangingScores:
    """What the current request chooses of the scores. All splits of a network share one."""

    def __init__(self) -> None:
        self._selection: keras.Variable | None = None
        self._directions: keras.Variable | None = None
        self._chosen: tuple[bool, bool] = (False, False)

    def set(
        self,
        *,
        selection: NDArray[np.bool_] | None = None,
        reference: NDArray[np.float32] | None = None,
    ) -> None:
        """Score so from now on, also in graphs compiled while the same was chosen.

        `selection` is (h, w), the pixels that count, and `reference` the embedding, (length,), to
        compare with. A graph that is compiled while nothing is chosen stays as it is.
        """
        self._chosen = selection is not None, reference is not None
        if selection is not None:
            self._selection = _assign(self._selection, selection)
        if reference is not None:
            self._directions = _assign(self._directions, directions_of(reference[np.newaxis]))

    @property
    def selection(self) -> Any:
        """(h, w), the pixels that count, as a boolean tensor; None for all."""
        return self._selection.value if self._selection is not None and self._chosen[0] else None

    @property
    def directions(self) -> Any:
        """(1, length), the direction to compare with; None for those of the catalog."""
        return self._directions.value if self._directions is not None and self._chosen[1] else None


def _assign(variable: keras.Variable | None, values: NDArray[Any]) -> keras.Variable:
    """Assign values to a variable, which is made of the first ones."""
    if variable is None:
        return keras.Variable(
            values, dtype=values.dtype.name, trainable=False, name=CHANGING_VARIABLE
        )
    variable.assign(np.asarray(values))
    return variable
