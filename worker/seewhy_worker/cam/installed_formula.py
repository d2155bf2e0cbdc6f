"""The formulas of methods that other packages add, with a check of what they return."""

import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

from seewhy.errors import UnsupportedModel

_log = logging.getLogger(__name__)


def checked_formula(name: str, formula: Callable[..., Any]) -> Callable[..., Any]:
    """Return the formula of the method `name` with a check of the shape of its maps.

    It raises `UnsupportedModel` when the formula fails, or returns no maps (M, h, w) for arrays of
    which the first is (M, h, w, C).
    """

    def checked(*arrays: Any, xp: ModuleType) -> Any:
        expected = tuple(arrays[0].shape[:-1])
        try:
            maps = xp.cast(formula(*arrays, xp=xp), "float32")
        except Exception as error:
            _log.warning("The formula of the method %s failed", name, exc_info=True)
            raise UnsupportedModel(
                f"the method {name} failed: its formula raised {type(error).__name__}. Choose "
                "another method; the log of the worker has the details."
            ) from error
        if tuple(maps.shape) != expected:
            raise UnsupportedModel(
                f"the method {name} failed: its formula returned an array of the shape "
                f"{tuple(maps.shape)} where maps have {expected}. Choose another method."
            )
        return maps

    return checked
