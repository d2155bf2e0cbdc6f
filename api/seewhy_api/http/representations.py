"""Representations of one resource: media types by `Accept`, and entity tags (RFC 9110)."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from importlib import metadata

import cv2
import PIL
from flask import Request, Response

from seewhy.errors import NotAcceptable

CACHE_CONTROL = "private, max-age=3600"


def choose_media_type(request: Request, offers: Sequence[str]) -> str:
    """Return the offer that the request prefers; the first of several equal ones.

    A range applies to a type unless a more specific range does, and its `q` is the preference.
    That a range is more specific makes no type preferable: browsers name WebP in every request
    for an image. Raises `NotAcceptable`.
    """
    accepted = request.accept_mimetypes
    if not accepted:
        return offers[0]
    best = max(offers, key=accepted.quality)  # the first of the largest
    if accepted.quality(best) <= 0:
        raise NotAcceptable(f"This is available as {', '.join(offers)} only.")
    return best


def entity_tag(*parts: object) -> str:
    """Return a strong tag of everything that the bytes of a representation depend on."""
    described = json.dumps([_software(), *map(str, parts)])
    return hashlib.sha256(described.encode()).hexdigest()[:32]


def is_current(request: Request, tag: str) -> bool:
    """Whether the client has the representation with this tag (`If-None-Match`)."""
    return request.if_none_match.contains_weak(tag)


def not_modified(tag: str) -> Response:
    """Build a response without a body for a client that has the representation."""
    response = Response(status=HTTPStatus.NOT_MODIFIED)
    response.headers.pop("Content-Type")
    return with_validators(response, tag)


def with_validators(response: Response, tag: str) -> Response:
    """Add the headers of caching to a successful response, also to one without a body."""
    response.set_etag(tag)
    response.headers["Cache-Control"] = CACHE_CONTROL
    response.headers.add("Vary", "Accept")
    return response


@cache
def _software() -> str:
    """Return the versions that decide how an image is decoded, drawn and encoded."""
    return f"{metadata.version('seewhy')} {cv2.__version__} {PIL.__version__}"
