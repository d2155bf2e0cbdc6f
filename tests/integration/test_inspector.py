"""The files of the inspector: how they are served, and what they may do."""

import gzip
import re

import pytest
from flask.testing import FlaskClient

from http_api import assert_problem
from seewhy_api.inspector.assets import NAMES, version

PAGE_REFERENCE = re.compile(r'(?:href|src)="(inspector/[^"]+)"')
IMPORT = re.compile(r"""(?:from|import)\s*\(?["']([^"']+)["']""")


def test_the_page_names_files_under_the_version_of_all_files(client: FlaskClient) -> None:
    page = client.get("/")
    assert page.content_type == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    references = PAGE_REFERENCE.findall(page.get_data(as_text=True))
    assert f"inspector/{version()}/app.js" in references
    assert f"inspector/{version()}/app.css" in references
    for reference in references:
        assert client.get(f"/{reference}").status_code == 200


def test_the_policy_allows_no_inline_code_no_other_site_and_no_strings_as_html(
    client: FlaskClient,
) -> None:
    policy = client.get("/").headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} < set(policy)
    assert {"require-trusted-types-for 'script'", "trusted-types 'none'"} < set(policy)
    assert not re.search(r"unsafe|http|\*", " ".join(policy))
    page = client.get("/").get_data(as_text=True)
    assert not re.search(r"\sstyle=|\son\w+=|<script>|<style", page)


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_kept_under_its_version_only(client: FlaskClient, name: str) -> None:
    kept = client.get(f"/inspector/{version()}/{name}")
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert kept.headers["X-Content-Type-Options"] == "nosniff"
    other = client.get(f"/inspector/0123456789abcdef/{name}")
    assert other.headers["Cache-Control"] == "no-cache"
    assert other.data == kept.data
    assert len(kept.data) > 40


def test_head_answers_the_headers_of_get(client: FlaskClient) -> None:
    for path in ("/", f"/inspector/{version()}/app.js"):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.data) == (200, b"")
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
        assert head.headers["Cache-Control"] == get.headers["Cache-Control"]


def test_an_unknown_file_is_not_found(client: FlaskClient) -> None:
    for name in ("other.js", "index.html", "..%2Fassets.py", "__init__.py"):
        assert_problem(client.get(f"/inspector/{version()}/{name}"), 404, "not_found")


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".js")])
def test_modules_import_files_of_the_page_by_relative_paths(client: FlaskClient, name: str) -> None:
    source = client.get(f"/inspector/{version()}/{name}").get_data(as_text=True)
    imported = IMPORT.findall(source)
    assert all(path.removeprefix("./") in NAMES for path in imported), imported
    assert not re.search(r"\b(?:innerHTML|outerHTML|insertAdjacentHTML|console\.)", source)


@pytest.mark.parametrize("path", ["/", f"/inspector/{version()}/app.js"])
def test_clients_that_take_gzip_get_gzip(client: FlaskClient, path: str) -> None:
    plain = client.get(path)
    compressed = client.get(path, headers={"Accept-Encoding": "gzip, deflate"})
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed.data) == plain.data
    assert plain.headers["Vary"] == compressed.headers["Vary"] == "Accept-Encoding"
    refused = client.get(path, headers={"Accept-Encoding": "gzip;q=0"})
    assert refused.data == plain.data


def test_a_photo_is_not_compressed_again(client: FlaskClient) -> None:
    photo = client.get(f"/inspector/{version()}/cat.jpg", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in photo.headers
    assert photo.data.startswith(b"\xff\xd8")
