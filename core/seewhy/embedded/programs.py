"""The API and the worker as commands: core starts them by name and imports neither."""

import importlib.util
import os
import sys
from typing import NoReturn

from seewhy.embedded.errors import ProcessError

# Module → the extra that carries what it needs, and one package that only the extra brings.
_NEEDS = {"seewhy_api": ("api", "gunicorn"), "seewhy_worker": ("worker", "keras")}


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs the module. Raises `ProcessError` naming a missing extra."""
    extra, package = _NEEDS[module.split(".", maxsplit=1)[0]]
    if importlib.util.find_spec(package) is None:
        raise ProcessError(
            f"{module} needs packages that are not installed: run `pip install 'seewhy[{extra}]'`"
        )
    return (sys.executable, "-P", "-m", module, *arguments)


def exec_module(module: str, *arguments: str) -> NoReturn:
    """Replace this process by the module's. Raises `ProcessError` as `command` does."""
    whole = module_command(module, *arguments)
    os.execv(whole[0], whole)  # noqa: S606  (no shell is the point)
