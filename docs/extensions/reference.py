"""Generate the HTTP, command-line, settings and license pages before Sphinx reads them.

The pages are written to docs/reference/ and are not committed.
"""

import inspect
import subprocess
import sys
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

from http_reference import http_reference, table
from sphinx.application import Sphinx

from seewhy import errors
from seewhy.settings import PREFIX, Settings
from seewhy_api.http.problems import status_of_class
from supply_chain import licenses

Row = Sequence[str]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write_pages(app: Sphinx) -> None:
    """Write every generated page; an unchanged page keeps its modification time."""
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    pages = {
        "http.md": http_page(),
        "cli.md": cli_page(),
        "settings.md": settings_page(),
        "licenses.md": licenses_page(),
    }
    for name, text in pages.items():
        page = folder / name
        if not page.exists() or page.read_text("utf-8") != text:
            page.write_text(text, "utf-8")


def http_page() -> str:
    """Describe the routes, the schemas and the errors."""
    return "\n".join(
        [
            *http_reference(),
            "## Error codes",
            "",
            *table(("code", "status", "retryable", "meaning"), _http_errors()),
            "## Error codes of failed jobs",
            "",
            "An explanation that failed has one of these codes, or one of an invalid image, in",
            "`error.code`.",
            "",
            *table(("code", "meaning"), _job_errors()),
        ]
    )


def cli_page() -> str:
    """Describe every command, as `typer utils docs` writes it."""
    command = ["-m", "typer", "seewhy.cli.app", "utils", "docs", "--name", "seewhy"]
    run = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)  # noqa: S603
    _, _, body = run.stdout.partition("\n")
    return f"# Command-line reference\n\nThis page is generated from the code.\n{body}"


def settings_page() -> str:
    """Describe every setting."""
    rows = [
        (f"`{PREFIX}{name.upper()}`", _default(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(
        [
            "# Settings reference",
            "",
            "This page is generated from the code. Each setting is an environment variable. An",
            "empty variable counts as unset. Unknown `SEEWHY_` variables are errors.",
            "",
            *table(("variable", "default", "description"), rows),
        ]
    )


def licenses_page() -> str:
    """List the license of every locked dependency."""
    return "\n".join(
        [
            "# Licenses of dependencies",
            "",
            "This page is generated from the locks in `requirements/` and the metadata of the",
            "packages. Binary packages can contain further libraries under their own licenses, for",
            "example FFmpeg (LGPL-2.1) in OpenCV; the packages contain these texts.",
            "flask-openapi-swagger contains Swagger UI (Apache-2.0). The `nvidia` packages belong",
            "to the extra `worker-gpu` only.",
            "",
            *licenses.table(),
        ]
    )


def _http_errors() -> Iterator[Row]:
    for kind in _subclasses(errors.SeewhyError):
        status = status_of_class(kind)
        if status is not HTTPStatus.INTERNAL_SERVER_ERROR:  # others never reach a client
            retryable = "yes" if kind.retryable else "no"
            yield f"`{kind.code}`", str(int(status)), retryable, _summary(kind)


def _job_errors() -> Iterator[Row]:
    for kind in _subclasses(errors.ExecutionError):
        yield f"`{kind.code}`", _summary(kind)


def _summary(kind: type) -> str:
    return (inspect.getdoc(kind) or "").partition("\n")[0]


def _subclasses(kind: type[errors.SeewhyError]) -> Iterator[type[errors.SeewhyError]]:
    for child in kind.__subclasses__():
        if child.__module__.startswith(f"{errors.__name__}."):
            yield child
            yield from _subclasses(child)


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None or value == ():
        return ""
    return f"`{value}`"
