"""What `seewhy explain` was asked: photos, the options of their requests, and files to save."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from seewhy.cli.terminal.arguments import parse_targets, split_names
from seewhy.cli.terminal.photos import Photo, overlay_paths
from seewhy.cli.terminal.score_options import parse_within

if TYPE_CHECKING:
    from seewhy.client import RequestOptions


@dataclass(frozen=True, kw_only=True)
class ExplainOptions:
    """The photos with the overlay path of each, the options of their requests, and the journal."""

    overlays: dict[Photo, Path]
    """Photo → overlay of its first target."""
    request: "RequestOptions"
    html: bool = False
    """Whether to save a page of each photo, too."""
    open_page: bool = False
    """Whether to open the page of the first photo, at the end."""
    resume: Path | None = None
    """The journal of `explain_many`."""

    @classmethod
    def create(
        cls,
        photos: Sequence[Photo],
        request: "RequestOptions",
        *,
        out: Path | None,
        html: bool = False,
        open_page: bool = False,
        resume: Path | None = None,
    ) -> Self:
        """Name the overlay of each photo, in the folder `out` or beside the photo."""
        return cls(
            overlays=overlay_paths(photos, out=out),
            request=request,
            html=html or open_page,
            open_page=open_page,
            resume=resume,
        )


def parse_request(
    *,
    model: str | None,
    targets: str,
    method: str,
    layers: str | None = None,
    inputs: Mapping[str, Sequence[float]] | None = None,
    within: str | None = None,
    regions: bool = False,
) -> "RequestOptions":
    """Parse the values of the command line; `layers` is a comma-separated list.

    Raises `ValueError` when `targets` looks like JSON and is not, and `BadParameter` when `within`
    is no box.
    """
    from seewhy.client import RequestOptions

    request = RequestOptions(model=model, method=method, targets=parse_targets(targets))
    if layers is not None:
        request["layer"] = split_names(layers)
    if inputs:
        request["inputs"] = inputs
    if within is not None:
        request["within"] = parse_within(within)
    if regions:
        request["outputs"] = ["overlay", "regions"]
    return request
