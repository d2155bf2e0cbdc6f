"""The page /docs: it shows every operation, under a strict policy, without another site."""

from html.parser import HTMLParser
from pathlib import Path

import httpx2
import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from http_api import assert_problem
from servers.process_cluster import running_api
from servers.valkey import RedisServer

OPERATIONS = "[id^=operations-]:not([id^=operations-tag-])"


class References(HTMLParser):
    """Collects what a page loads, and what it holds inline."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self._tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        named = dict(attrs)
        if tag in {"script", "link"}:
            self.loaded.append(named.get("src") or named.get("href") or "")
        self.inline += [name for name, _ in attrs if name == "style" or name.startswith("on")]

    def handle_data(self, data: str) -> None:
        if self._tag in {"script", "style"} and data.strip():
            self.inline.append(data)


def test_the_page_loads_only_files_of_this_service(client: FlaskClient) -> None:
    page = References()
    page.feed(client.get("/docs").get_data(as_text=True))
    assert page.inline == []
    files = [each for each in page.loaded if not each.startswith("data:")]
    assert sorted(files) == ["docs/start.js", "docs/swagger-ui-bundle.js", "docs/swagger-ui.css"]
    for file in files:
        response = client.get(f"/{file}")
        assert response.status_code == 200
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert len(response.data) > 100
    assert b'url: "openapi.json"' in client.get("/docs/start.js").data


def test_the_policy_of_the_page_allows_neither_inline_code_nor_other_sites(
    client: FlaskClient,
) -> None:
    policy = client.get("/docs").headers["Content-Security-Policy"]
    assert "script-src 'self'; style-src 'self';" in policy
    for allowed in ("unsafe", "http", "*"):
        assert allowed not in policy
    assert "connect-src" not in client.get("/v1/models").headers["Content-Security-Policy"]


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..%2Fdocument.py", "__init__.py"])
def test_the_viewer_serves_no_other_file(client: FlaskClient, name: str) -> None:
    assert_problem(client.get(f"/docs/{name}"), 404, "not_found")


def test_a_browser_shows_every_operation_and_webhook_and_violates_no_policy(
    valkey: RedisServer, tmp_path: Path, page: Page
) -> None:
    with running_api(valkey, tmp_path) as cluster:
        document = httpx2.get(f"{cluster.url}/openapi.json").json()
        expected = {
            operation["operationId"]
            for item in (document["paths"] | document["webhooks"]).values()
            for operation in item.values()
        }
        page.goto(f"{cluster.url}/docs")
        expect(page.locator(OPERATIONS)).to_have_count(len(expected))
        ids = page.locator(OPERATIONS).evaluate_all("found => found.map(({id}) => id)")
    assert {each.rpartition("-")[2] for each in ids} == expected
