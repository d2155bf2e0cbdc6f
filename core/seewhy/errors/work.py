"""Errors of the work itself: of objects, models, jobs and settings."""

from seewhy.errors.root import SeewhyError


class ObjectNotFound(SeewhyError):
    """The object store has no object under this key."""

    code = "object_not_found"


class ModelError(SeewhyError):
    """A model cannot be served."""

    code = "model_error"


class WeightsNotFound(ModelError):
    """The weights are neither on disk nor downloadable."""

    code = "weights_not_found"


class WeightsCorrupt(ModelError):
    """The weights file does not match its checksum."""

    code = "weights_corrupt"


class UnsupportedModel(ModelError):
    """The network cannot be explained."""

    code = "unsupported_model"


class ExecutionError(SeewhyError):
    """An accepted job failed."""

    code = "execution_error"


class ImageGone(ExecutionError):
    """The image expired before the job ran."""

    code = "image_gone"


class OutOfMemory(ExecutionError):
    """The device or the process ran out of memory."""

    code = "out_of_memory"
    retryable = True


class ExplainerFailed(ExecutionError):
    """The explainer raised an unexpected error on this image."""

    code = "explainer_failed"


class WorkerLost(ExecutionError):
    """The workers that ran this job died."""

    code = "worker_lost"


class SettingsError(SeewhyError):
    """A setting is missing or invalid."""

    code = "settings_error"


class DeviceNotFound(SettingsError):
    """This machine has no such device."""

    code = "device_not_found"
