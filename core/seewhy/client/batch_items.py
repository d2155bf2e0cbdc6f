"""The items of a batch, as they are sent."""

import base64
import json
import tempfile
from collections.abc import Iterable
from typing import IO, Any, Unpack

from seewhy.client.images import Image, image_reference, read_image
from seewhy.client.request_options import RequestOptions, given


class Item:
    """An image with a name of its own, or with options that differ from those of its batch."""

    def __init__(
        self, image: Image, *, key: str | None = None, **options: Unpack[RequestOptions]
    ) -> None:
        """`key` names the item and is unique in its batch; `options` override the batch's."""
        self.image = image
        self.fields = given(options) | ({} if key is None else {"key": key})


def item_line(item: Item | Image) -> bytes:
    """Return the line of an item. Raises `OSError` when its file cannot be read."""
    image, fields = (item.image, item.fields) if isinstance(item, Item) else (item, {})
    named: dict[str, Any] = image_reference(image) or {
        "image_base64": base64.b64encode(read_image(image)).decode()
    }
    return json.dumps(fields | named).encode() + b"\n"


def write_items(items: Iterable[Item | Image]) -> IO[bytes]:
    """Write the items to a temporary file, which can be sent more than once.

    One image at a time is in memory. Raises `OSError` when a file cannot be read.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115  (returned open)
    try:
        for item in items:
            file.write(item_line(item))
    except BaseException:
        file.close()
        raise
    return file
