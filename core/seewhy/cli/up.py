"""`seewhy up`."""

from pathlib import Path
from typing import Annotated

import typer


def up(
    host: Annotated[
        str | None, typer.Option(help="Where the API listens.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="0 picks a free one.", show_default="8000"),
    ] = None,
    data: Annotated[
        Path, typer.Option(help="Where pictures, results, the ledger and logs are kept.")
    ] = Path("seewhy-data"),
    model: Annotated[
        str | None, typer.Option(help="The model to explain with.", show_default="vgg16")
    ] = None,
) -> None:
    """Run everything on this machine: ledger, object store, worker and API. Ctrl-C stops it."""
    from seewhy.cli.console import Downloads, notes, results
    from seewhy.embedded.data_directory import hold
    from seewhy.embedded.model_choice import with_weights
    from seewhy.embedded.up import complete_settings
    from seewhy.embedded.up import up as run
    from seewhy.settings import load

    console = notes()
    asked = {"api_host": host, "api_port": port, "default_model": model}
    settings = load(None, **{name: value for name, value in asked.items() if value is not None})
    with hold(data) as directory:
        settings = complete_settings(settings, directory)
        with Downloads(console) as downloads:
            settings = with_weights(
                settings,
                progress=downloads,
                say=lambda text: console.print(text, style="yellow", soft_wrap=True),
            )
        run(
            settings,
            directory=directory,
            report=lambda name, line: console.print(f"{name:>6} │ {line}", soft_wrap=True),
            ready=lambda url: results().print(f"seewhy is ready at {url}", soft_wrap=True),
        )
