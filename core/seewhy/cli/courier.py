"""`seewhy courier`."""


def courier() -> None:
    """Run one courier, which delivers webhooks, with the settings of the environment."""
    from seewhy.embedded.programs import exec_module

    exec_module("seewhy_api.webhooks")
