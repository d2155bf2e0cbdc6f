"""Command lines of the API, the worker and the dispatcher.

Core starts these packages by module name and never imports them.
"""

import importlib.util
import os
import sys
from dataclasses import dataclass
from typing import NoReturn

from seewhy.embedded.errors import ProcessError

# Package → the extra that installs its dependencies, and one dependency unique to that extra.
_EXTRAS = {
    "seewhy_api": ("api", "gunicorn"),
    "seewhy_loadtest": ("load", "aiohttp"),
    "seewhy_worker": ("worker", "keras"),
}


@dataclass(frozen=True, kw_only=True)
class Commands:
    """The command lines of the processes of `seewhy up`, Valkey excepted."""

    worker: tuple[str, ...]
    api: tuple[str, ...]
    dispatcher: tuple[str, ...]
    """Started only when webhook secrets or a Label Studio are configured."""

    @classmethod
    def installed(cls) -> "Commands":
        """Return the installed packages' commands. Raises `ProcessError` for a missing extra."""
        return cls(
            worker=module_command("seewhy_worker"),
            api=module_command("seewhy_api"),
            dispatcher=module_command("seewhy_api.webhooks"),
        )


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command line that runs a module.

    Raises `ProcessError`, naming the extra to install, when its dependencies are missing.
    """
    extra, package = _EXTRAS[module.split(".", maxsplit=1)[0]]
    if importlib.util.find_spec(package) is None:
        raise ProcessError(
            f"{module} needs packages that are not installed: run `pip install 'seewhy[{extra}]'`"
        )
    return (sys.executable, "-P", "-m", module, *arguments)


def exec_module(module: str, *arguments: str) -> NoReturn:
    """Replace this process by one that runs the module. Raises what `module_command` raises."""
    command = module_command(module, *arguments)
    os.execv(command[0], command)  # noqa: S606  (no shell on purpose)
