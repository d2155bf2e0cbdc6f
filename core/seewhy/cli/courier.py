"""`seewhy courier`."""


def courier() -> None:
    """Run one courier, which delivers webhooks, with the settings of the environment."""
    from seewhy.processes.modules import become

    become("seewhy_api.courier")
