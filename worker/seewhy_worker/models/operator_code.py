"""Python code of the operator: modules, and preprocessing functions in them.

The catalog names the code, and the operator installs it; a model file never causes an import.
"""

import importlib
import logging
import traceback
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.inspection.wording import quote

_log = logging.getLogger(__name__)


def call_preprocessing(reference: str, image: NDArray[Any]) -> NDArray[np.float32]:
    """Apply the function `MODULE:FUNCTION` to an image (H, W, channels), 0 to 255.

    Returns its float32 array of the same shape. Raises `UnsupportedModel` when there is no such
    function, when it fails, and when it returns something else.
    """
    function = _find_function(reference)
    try:
        pixels = function(image.copy())
    except Exception as error:
        _log.warning("The preprocessing function %s failed", reference, exc_info=True)
        raise UnsupportedModel(
            f"the preprocessing function {reference} raised {type(error).__name__} on an image of "
            f"the shape {image.shape}: correct the function; the log of the worker has the details."
        ) from error
    shape, dtype = getattr(pixels, "shape", None), getattr(pixels, "dtype", type(pixels).__name__)
    if not isinstance(pixels, np.ndarray) or shape != image.shape or pixels.dtype.kind != "f":
        raise UnsupportedModel(
            f"the preprocessing function {reference} returned {dtype} of the shape {shape} for an "
            f"image of the shape {image.shape}: return a NumPy array of that shape with "
            "floating-point numbers."
        )
    return pixels.astype(np.float32)


@cache
def _find_function(reference: str) -> Callable[..., Any]:
    module_name, _, name = reference.partition(":")
    function = getattr(import_module(module_name), name, None)
    if not callable(function):
        raise UnsupportedModel(
            f"the module {module_name} has no function {name}: correct `preprocessing` in the "
            "catalog, or define the function."
        )
    return function  # type: ignore[no-any-return]


def import_module(name: str) -> ModuleType:
    """Import a module. Raises `UnsupportedModel` when it is missing or its import fails."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise _import_failed(name, error) from error
        raise UnsupportedModel(
            f"the module {name} is not installed where the worker runs: install it there, or add "
            "its folder to PYTHONPATH, or correct the name in the catalog."
        ) from error
    except (Exception, SystemExit) as error:
        raise _import_failed(name, error) from error


def _import_failed(name: str, error: BaseException) -> UnsupportedModel:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return UnsupportedModel(
        f"the import of the module {name} failed: {type(error).__name__} in {frame.filename}, line "
        f"{frame.lineno}: {quote(error)}"
    )
