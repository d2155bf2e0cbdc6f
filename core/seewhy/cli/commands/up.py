"""`seewhy up`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from seewhy.cli.terminal.arguments import ModelOption


def up(
    host: Annotated[
        str | None,
        typer.Option(help="The address that the API listens on.", show_default="127.0.0.1"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65535,
            help="The port that the API listens on. 0 picks a free port.",
            show_default="8000",
        ),
    ] = None,
    data: Annotated[
        Path, typer.Option(help="Folder for images, results, the ledger and logs.")
    ] = Path("seewhy-data"),
    model: ModelOption = None,
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            max=64,
            help="How many workers to run. Several get one GPU each, or their share of the "
            "processor cores.",
        ),
    ] = 1,
    device: Annotated[
        str | None,
        typer.Option(
            help="The device of the workers: auto, cpu, or gpu:N for one GPU.",
            show_default="SEEWHY_WORKER_DEVICE, or auto",
        ),
    ] = None,
    open_page: Annotated[
        bool, typer.Option("--open", help="Open the page in a browser when it is ready.")
    ] = False,
) -> None:
    """Run everything on this machine: ledger, object store, workers and API. Ctrl-C stops it."""
    options = {
        "api_host": host,
        "api_port": port,
        "default_model": model,
        "worker_device": device,
    }
    given = {name: value for name, value in options.items() if value is not None}
    _run(given, data=data, workers=workers, open_page=open_page)


def _run(options: Mapping[str, Any], *, data: Path, workers: int, open_page: bool) -> None:
    import webbrowser

    from seewhy.access.key_ring import KeyRing
    from seewhy.access.key_store import KeyStore
    from seewhy.access.policy import require_protection
    from seewhy.cli.terminal.console import DownloadProgress, error_console, output_console
    from seewhy.embedded.data_directory import lock_data_directory
    from seewhy.embedded.model_choice import ensure_weights
    from seewhy.embedded.up import complete_settings
    from seewhy.embedded.up import up as run
    from seewhy.settings import load
    from seewhy.storage.obstore_adapter import open_store

    def announce(url: str) -> None:
        output_console().print(f"seewhy is ready at {url}", soft_wrap=True)
        if open_page:
            webbrowser.open(url)

    console = error_console()
    settings = load(None, **options)
    with lock_data_directory(data) as directory:
        settings = complete_settings(settings, directory)
        require_protection(
            settings,
            has_keys=lambda: KeyRing(KeyStore(open_store(settings))).has_keys(),
            options=f" --data {data}" if settings.store_url == directory.store_url else "",
        )
        with DownloadProgress(console) as downloads:
            settings = ensure_weights(
                settings,
                progress=downloads,
                warn=lambda text: console.print(text, style="yellow", soft_wrap=True),
            )
        run(
            settings,
            directory=directory,
            workers=workers,
            report=lambda name, line: console.print(f"{name:>10} │ {line}", soft_wrap=True),
            ready=announce,
        )
