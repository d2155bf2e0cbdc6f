"""The settings of commands for operators, who work on the ledger and the object store."""

from pathlib import Path

import typer

from seewhy.embedded import valkey
from seewhy.embedded.data_directory import DataDirectory
from seewhy.settings import Settings, load


def operator_settings(data: Path | None) -> Settings:
    """Return the settings of the environment, with the store and Valkey of `data` if given."""
    if data is None:
        return load()
    if not data.is_dir():
        raise typer.BadParameter(f"--data: {data} is not a folder")
    directory = DataDirectory(data.resolve())
    settings = load(store_url=directory.store_url)
    embedded_url = valkey.find_url(directory.valkey)
    if embedded_url is None or "redis_url" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"redis_url": embedded_url})
