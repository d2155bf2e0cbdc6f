"""The images of tasks: uploads of Label Studio, buckets, and URLs."""

from seewhy.errors import InvalidRequest
from seewhy.jobs.image_sources import ImageSource, RemoteImage, SentImage
from seewhy.quoting import quote
from seewhy_api.label_studio.client import LabelStudioClient
from seewhy_api.label_studio.requests import Task


class TaskImages:
    """Finds the image of a task. Thread-safe.

    Tokens are sent to the configured Label Studio only, whatever a task or a setup names.
    """

    def __init__(self, client: LabelStudioClient | None, *, max_bytes: int) -> None:
        """Read uploads of at most `max_bytes` with `client`."""
        self._client = client
        self._max_bytes = max_bytes

    def source(self, task: Task, field: str, *, token: str | None) -> ImageSource:
        """Return the image of a task: an upload is read, any other is named.

        Raises `InvalidRequest` or a subclass, and `ImageTooLarge`.
        """
        reference = task.data.get(field)
        if not isinstance(reference, str) or not reference:
            raise InvalidRequest(f"The task has no text in the field {quote(field)}.")
        path = self._client.path_of(reference) if self._client else None
        if self._client and path:
            return SentImage(
                self._client.read_image(path, legacy_token=token, max_bytes=self._max_bytes)
            )
        if reference.startswith("/"):
            raise InvalidRequest(
                "The image is an upload of Label Studio. The operator allows that with "
                "SEEWHY_LABEL_STUDIO_URL and SEEWHY_LABEL_STUDIO_API_KEY."
            )
        return RemoteImage(reference)
