"""Settings as environment variables, for child processes."""

import os
from collections.abc import Mapping

from pydantic import SecretStr

from seewhy.settings import PREFIX, Settings

_OWN_SETTINGS = {"key"}
"""No child calls a service."""


def as_environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables from which `load` builds equal settings.

    Contains only fields that were set, without the user's own API key: a child process applies
    its own defaults to the others.
    """
    variables: dict[str, str] = {}
    for name in sorted(settings.model_fields_set - _OWN_SETTINGS):
        value = getattr(settings, name)
        if value is not None:
            variables[PREFIX + name.upper()] = _format(value)
    return variables


def child_environment(
    additions: Mapping[str, str], *, dropped_prefix: str | None
) -> dict[str, str]:
    """Return this process's environment, less variables with the prefix, plus `additions`."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if dropped_prefix is None or not name.startswith(dropped_prefix)
    }
    return inherited | dict(additions)


def _format(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(str(item) for item in value)
    return str(value)
