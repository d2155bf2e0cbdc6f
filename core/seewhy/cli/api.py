"""`seewhy api`."""


def api() -> None:
    """Run the HTTP API, with the settings of the environment."""
    from seewhy.embedded.programs import exec_module

    exec_module("seewhy_api")
