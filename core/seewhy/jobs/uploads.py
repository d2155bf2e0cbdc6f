"""Accept images that are sent alone, to be named by later requests."""

from seewhy.errors import ImageTooLarge
from seewhy.jobs.image_sources import ImageResolver, ImageSource, ResolvedImage
from seewhy.jobs.submission import error_of
from seewhy.ledger.ports.uploads import UploadLedger
from seewhy.ledger.types import QuotaLimit, UploadQuotas, UploadUsage
from seewhy.schemas.context import RequestContext


class ImageUploads:
    """Stores images. One per process, used by many threads."""

    def __init__(self, *, images: ImageResolver, ledger: UploadLedger) -> None:
        """Resolve and store with `images`, and count in the ledger."""
        self._images = images
        self._ledger = ledger

    def accept(
        self, source: ImageSource, *, context: RequestContext, quotas: UploadQuotas | None
    ) -> tuple[ResolvedImage, UploadUsage | None]:
        """Store an image; return it, and what is left of the quotas of the key in `context`.

        A refused image costs no quota. Without quotas the ledger is not asked. Raises as
        `ImageResolver.resolve` does, `ImageTooLarge` for more bytes than a minute's quota,
        `QuotaExceeded` and `Unavailable`.
        """
        image = self._images.resolve(source, context=context)
        usage = None
        if quotas is not None:
            usage = self._charge(len(image.upload.body), context.key_id or "", quotas)
        self._images.store(image)
        return image, usage

    def _charge(self, size_bytes: int, key_id: str, quotas: UploadQuotas) -> UploadUsage:
        if size_bytes > quotas.uploaded_bytes_per_minute:
            raise ImageTooLarge(
                f"the image has {size_bytes:,} bytes, and this API key may upload "
                f"{quotas.uploaded_bytes_per_minute:,} in a minute"
            )
        taken = self._ledger.take(key_id, size_bytes=size_bytes, quotas=quotas)
        if isinstance(taken, QuotaLimit):
            raise error_of(taken)
        return taken
