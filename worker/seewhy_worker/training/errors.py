"""Errors of `seewhy fit`."""

from seewhy.errors import SeewhyError


class TrainingError(SeewhyError):
    """The folder, the output path or the installation does not allow training."""

    code = "training_error"
