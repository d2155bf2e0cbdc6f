"""What can go wrong while `seewhy up` holds its processes together."""

from seewhy.errors import SeewhyError


class ProcessError(SeewhyError):
    """The processes of `seewhy up` could not be brought up, or kept up."""

    code = "process_error"


class DataDirectoryBusy(ProcessError):
    """Another `seewhy up` works on this data directory."""

    code = "data_directory_busy"


class StartFailed(ProcessError):
    """A process ended, or stayed silent, instead of becoming ready."""

    code = "start_failed"
