"""`seewhy api`."""


def api() -> None:
    """Run the HTTP API, with the settings of the environment."""
    from seewhy.processes.modules import become

    become("seewhy_api")
