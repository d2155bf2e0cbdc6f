"""`seewhy api`."""


def api() -> None:
    """Run the HTTP API, with the settings of the environment."""
    from seewhy.processes.modules import become  # noqa: PLC0415

    become("seewhy_api")
