"""`seewhy worker`."""


def worker() -> None:
    """Run one worker, with the settings of the environment.

    It ends with status 75, or 1, when its device does not answer: let something start it again.
    """
    from seewhy.embedded.programs import exec_module

    exec_module("seewhy_worker")
