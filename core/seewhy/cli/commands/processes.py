"""`seewhy api`, `seewhy worker` and `seewhy dispatcher`: one process each.

They read their settings from the environment and replace the process of the command.
"""

from typing import Annotated

import typer


def api() -> None:
    """Run the HTTP API, configured by the environment."""
    from seewhy.embedded.commands import exec_module

    exec_module("seewhy_api")


def worker(
    device: Annotated[
        str | None,
        typer.Option(
            help="auto, cpu, or gpu:0, gpu:1 and so on: one worker for each GPU.",
            show_default="SEEWHY_WORKER_DEVICE, or auto",
        ),
    ] = None,
) -> None:
    """Run one worker, configured by the environment.

    A worker exits with status 75 (or 1) when its device hangs. Run it under a supervisor that
    restarts it.
    """
    from seewhy.embedded.commands import exec_module

    exec_module("seewhy_worker", *([] if device is None else ["--device", device]))


def dispatcher() -> None:
    """Run one webhook dispatcher, configured by the environment."""
    from seewhy.embedded.commands import exec_module

    exec_module("seewhy_api.webhooks")
