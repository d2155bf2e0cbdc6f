"""Save an explanation as a file, by the ending of its name."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Unpack

import numpy as np

from seewhy.client.drawing_options import DrawingOptions, Format
from seewhy.client.explanation import Explanation
from seewhy.client.html_files import HtmlFileOperations
from seewhy.client.new_file import new_file

_FORMATS: Mapping[str, Format] = MappingProxyType(
    {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}
)
_PAGES = (".html", ".htm")


class SavingOperations(HtmlFileOperations):
    """Writes what the other operations return."""

    async def save(
        self,
        explanation: Explanation | str,
        path: Path | str,
        *,
        target: int = 0,
        **options: Unpack[DrawingOptions],
    ) -> Path:
        """Save the overlay of one target, a page or all maps, by the ending; return the path.

        `.jpg`, `.jpeg`, `.png` and `.webp` are overlays; `.html` is a page that opens without the
        service, as `html` returns it; `.npy` are the maps, as `map` returns them. The file appears
        when it is complete. Raises `ValueError` for another ending and `OSError` when the file
        cannot be written.
        """
        path = Path(path)
        ending = path.suffix.lower()
        if ending == ".npy":
            maps = await self.map(
                explanation, method=options.get("method"), layer=options.get("layer")
            )
            async with new_file(self.network, path) as file:
                await self.network.call(np.save, file, maps)
            return path
        if ending in _FORMATS:
            options = {**options, "format": _FORMATS[ending]}
            content = await self.overlay(explanation, target=target, **options)
        elif ending in _PAGES:
            content = (await self.html(explanation, target=target, **options)).encode()
        else:
            endings = ", ".join((*_FORMATS, *_PAGES, ".npy"))
            raise ValueError(f"cannot save as {path.name!r}: its ending must be one of {endings}")
        async with new_file(self.network, path) as file:
            await self.network.call(file.write, content)
        return path
