"""`seewhy worker`."""


def worker() -> None:
    """Run one worker, with the settings of the environment."""
    from seewhy.processes.modules import become

    become("seewhy_worker")
