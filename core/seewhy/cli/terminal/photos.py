"""The photos that a command line names: files, and folders of files."""

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

_IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_URL = re.compile(r"(https?|s3)://", re.IGNORECASE)
_OVERLAY_NAME = re.compile(r"\.seewhy(\.\d+)?\.jpg$")


Photo = Path | str
"""A file or a URL."""


def find_photos_and_urls(arguments: Iterable[str]) -> list[Photo]:
    """Return each URL, then the photos of the files and folders. Raises as `find_photos` does."""
    arguments = list(arguments)
    urls = [argument for argument in arguments if _URL.match(argument)]
    paths = [Path(argument) for argument in arguments if not _URL.match(argument)]
    return [*dict.fromkeys(urls), *(find_photos(paths) if paths or not urls else ())]


def path_of_photo(photo: Photo) -> Path:
    """Return the path of a file. For a URL, the name of the file there, in the current folder."""
    if isinstance(photo, Path):
        return photo
    return Path(PurePosixPath(unquote(urlsplit(photo).path)).name or "image")


def overlay_paths(photos: Iterable[Photo], *, out: Path | None) -> dict[Photo, Path]:
    """Return the overlay path of each photo. Paths are unique and never overwrite a photo."""
    photos = dict.fromkeys(photos)
    paths: dict[Photo, Path] = {}
    taken = {path_of_photo(photo).absolute() for photo in photos}
    for photo in photos:
        path = path_of_photo(photo)
        folder = (out or path.parent).absolute()
        stems = chain((path.stem, path.name), (f"{path.name}-{n}" for n in count(2)))
        free = (stem for stem in stems if folder / f"{stem}.seewhy.jpg" not in taken)
        name = f"{next(free)}.seewhy.jpg"
        paths[photo] = (out or path.parent) / name
        taken.add(folder / name)
    return paths


def find_photos(paths: Iterable[Path]) -> list[Path]:
    """Return each file once, and the JPEG, PNG and WebP files below each folder, sorted.

    Leaves out hidden files and the overlays of an earlier run, unless all photos are overlays.
    Raises `ValueError`, which names every path that is missing or unreadable, and when no photo is
    left.
    """
    paths = list(paths)
    if mistakes := [mistake for path in paths if (mistake := _mistake(path))]:
        raise ValueError("\n".join(mistakes))
    files = list(dict.fromkeys(file for path in paths for file in _files(path)))
    if not files:
        raise ValueError("no photos there: name JPEG, PNG or WebP files, or folders with some")
    return list(skip_overlays(files))


def skip_overlays(photos: Sequence[Path]) -> Sequence[Path]:
    """Leave out overlays of an earlier run, unless all the photos are overlays."""
    return [photo for photo in photos if not _OVERLAY_NAME.search(photo.name)] or photos


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for folder, names, files in os.walk(path):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in _IMAGE_SUFFIXES:
                yield Path(folder) / name


def _mistake(path: Path) -> str | None:
    """Say what is wrong with a path; None if nothing is."""
    if not path.exists():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        similar = difflib.get_close_matches(path.name, siblings, n=1)
        suggestion = f"; did you mean {path.parent / similar[0]}?" if similar else ""
        return f"{path}: no such file or folder{suggestion}"
    if not os.access(path, os.R_OK):
        return f"{path}: not readable"
    return None
