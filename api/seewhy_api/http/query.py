"""A rule of all query strings: each parameter at most once."""

from flask import Flask, g, request

from seewhy.errors import InvalidRequest
from seewhy.quoting import quote


def install(app: Flask) -> None:
    """Refuse repeated parameters once the caller is known.

    Parsers disagree on which of two equal names counts, so none of them is chosen.
    """

    @app.before_request
    def refuse_repeated_parameters() -> None:
        if "caller" not in g:
            return  # a public route, or none
        for name, values in request.args.lists():
            if len(values) > 1:
                raise InvalidRequest(f"The query names {quote(name)} more than once.")
