"""Errors of `seewhy up` and of the processes that it runs."""

from seewhy.errors import SeewhyError


class ProcessError(SeewhyError):
    """The processes of `seewhy up` cannot be started or kept running."""

    code = "process_error"


class DataDirectoryBusy(ProcessError):
    """Another `seewhy up` uses this data directory."""

    code = "data_directory_busy"


class StartFailed(ProcessError):
    """A process exited, or did not become ready in time."""

    code = "start_failed"
