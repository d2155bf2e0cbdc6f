"""The way back from frozen settings to the environment that yields them."""

import os
from collections.abc import Mapping

from pydantic import SecretStr

from seewhy.settings import PREFIX, Settings


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the variables from which `load` builds the same settings.

    Only what was set is written: a child process keeps the defaults of its own version.
    """
    variables: dict[str, str] = {}
    for name in sorted(settings.model_fields_set):
        value = getattr(settings, name)
        if value is not None:
            variables[PREFIX + name.upper()] = _text(value)
    return variables


def passed_on(environment: Mapping[str, str], *, without: str | None) -> dict[str, str]:
    """Return this process's environment for a child: nothing named `without…`, then ours."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if without is None or not name.startswith(without)
    }
    return inherited | dict(environment)


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return str(value)
