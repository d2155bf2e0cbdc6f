"""Inspect the structure of an HDF5 file: it may hold plain arrays of its own, and nothing else."""

from collections.abc import Iterator
from typing import Any

import h5py

from seewhy.errors import UnsupportedModel
from seewhy_worker.models.inspection.wording import format_bytes, quote

MAX_OBJECTS = 100_000
MAX_EXPANSION = 100
"""How many times its size a file may declare in arrays, beyond `_SMALL_BYTES`."""
_SMALL_BYTES = 100_000_000
_NUMERIC_KINDS = "biufV"  # V: bfloat16, which Keras stores as opaque bytes
# Deflate, shuffle, Fletcher-32, szip, n-bit and scale-offset are part of HDF5; other numbers are
# plugins, which HDF5 would load as code.
_BUILT_IN_FILTERS = frozenset(range(1, 7))


def check_hdf5(file: h5py.File, *, file_name: str, file_bytes: int, memory_bytes: int) -> None:
    """Refuse links, external or virtual arrays, filter plugins, and arrays that are too large.

    Nothing is read but metadata. `file_bytes` is the size of the HDF5 file. Raises
    `UnsupportedModel`.
    """
    declared_bytes = 0
    for path, dataset in _datasets(file, file_name):
        if dataset.external or dataset.is_virtual:
            raise UnsupportedModel(
                f"{file_name} keeps the array {quote(path)!r} in another file: save the model "
                "again with `model.save(...)`."
            )
        if dataset.dtype.kind not in _NUMERIC_KINDS or dataset.dtype.fields is not None:
            raise UnsupportedModel(
                f"{file_name} contains the array {quote(path)!r} of {dataset.dtype}, and weights "
                "are numbers."
            )
        if not _filters(dataset) <= _BUILT_IN_FILTERS:
            raise UnsupportedModel(
                f"{file_name} needs a plugin of HDF5 to read {quote(path)!r}: save the model again "
                "with `model.save(...)`."
            )
        declared_bytes += dataset.size * dataset.dtype.itemsize
    if declared_bytes > memory_bytes:
        raise UnsupportedModel(
            f"{file_name} declares arrays of {format_bytes(declared_bytes)}, more than the limit "
            f"of {format_bytes(memory_bytes)}: use a smaller network, or raise "
            "SEEWHY_MODEL_MEMORY_BYTES."
        )
    if declared_bytes > max(_SMALL_BYTES, MAX_EXPANSION * file_bytes):
        raise UnsupportedModel(
            f"{file_name} declares arrays of {format_bytes(declared_bytes)} in "
            f"{format_bytes(file_bytes)} of HDF5, so it is no network that was trained."
        )


def _datasets(file: h5py.File, file_name: str) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yield every dataset once, with its path, without following a link to another file."""
    seen: set[Any] = set()
    pending: list[tuple[str, h5py.Group]] = [("", file)]
    while pending:
        prefix, group = pending.pop()
        for name in group:
            path = f"{prefix}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise UnsupportedModel(
                    f"{file_name} contains the link {quote(path)!r} to another place: save the "
                    "model again with `model.save(...)`."
                )
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if len(seen) > MAX_OBJECTS:
                raise UnsupportedModel(
                    f"{file_name} contains more than {MAX_OBJECTS:,} arrays and groups."
                )
            if isinstance(item, h5py.Group):
                pending.append((path, item))
            elif isinstance(item, h5py.Dataset):
                yield path, item


def _filters(dataset: h5py.Dataset) -> set[int]:
    properties = dataset.id.get_create_plist()
    return {properties.get_filter(index)[0] for index in range(properties.get_nfilters())}
