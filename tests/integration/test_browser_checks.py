"""Pages of other sites: DNS rebinding, forged requests, and who may read what."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from http_api import assert_problem, finish_next_job, submit_image
from seewhy.errors import SettingsError
from seewhy.settings import Settings, load
from seewhy_api.app import create_api

LABELS = "https://labels.example"
EVIL = "https://evil.example"
URL = "/v1/explanations"


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"api_allowed_origins": (LABELS,)}


def client_with(settings: Settings, **changes: Any) -> FlaskClient:
    return create_api(settings.model_copy(update=changes)).flask.test_client()


def preflight(client: FlaskClient, path: str, *, origin: str, method: str) -> TestResponse:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization",
    }
    return client.options(path, headers=headers)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "localhost.", "127.0.0.1:8000", "127.1.2.3", "[::1]:80"]
)
def test_a_local_service_is_reached_by_the_names_of_its_machine(
    client: FlaskClient, host: str
) -> None:
    assert client.get("/v1/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "localhost, evil.example",
        "localhost@evil.example",
        "localhost/",
        "[::1",
        "x" * 5_000,
        "",
    ],
)
def test_a_name_that_was_rebound_to_a_local_service_is_refused(
    client: FlaskClient, cat: bytes, host: str
) -> None:
    headers = {"Host": host}
    assert_problem(client.get("/v1/models", headers=headers), 403, "host_not_allowed")
    response = submit_image(client, cat, headers=headers)
    assert "x" * 201 not in assert_problem(response, 403, "host_not_allowed")


def test_probes_and_clients_without_a_host_are_served(client: FlaskClient) -> None:
    for path in ("/healthz", "/readyz"):
        assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200
    environment = {"HTTP_HOST": None}
    assert client.get("/v1/models", environ_overrides=environment).status_code == 200


def test_the_allowed_names_are_a_setting(settings: Settings) -> None:
    named = client_with(settings, api_allowed_hosts=("explain.example", "[fd00::1]"))
    for host, status in (
        ("explain.example:443", 200),
        ("[fd00::1]", 200),
        ("localhost", 403),
        ("evil.example", 403),
    ):
        assert named.get("/v1/models", headers={"Host": host}).status_code == status
    public = client_with(settings, api_host="0.0.0.0", auth="none")  # noqa: S104
    any_name = client_with(settings, api_allowed_hosts=("*",))
    for client in (public, any_name):
        assert client.get("/v1/models", headers={"Host": "evil.example"}).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOWED_HOSTS", "explain.example:443"),
        ("ALLOWED_HOSTS", "https://explain.example"),
        ("ALLOWED_ORIGINS", "labels.example"),
        ("ALLOWED_ORIGINS", "*"),
        ("ALLOWED_ORIGINS", "https://labels.example/"),
    ],
)
def test_settings_that_could_never_match_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"SEEWHY_API_{name}"):
        load({f"SEEWHY_API_{name}": value})


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": LABELS}, True),
        ({"Origin": LABELS, "Sec-Fetch-Site": "cross-site"}, True),
        ({"Origin": "http://localhost"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": EVIL}, False),
        ({"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://localhost:3000"}, False),
        ({"Origin": LABELS + ".evil.example"}, False),
        ({"Origin": "http://["}, False),
        ({"Origin": "//localhost"}, False),
    ],
    ids=str,
)
def test_only_pages_of_allowed_origins_may_change_something(
    client: FlaskClient, cat: bytes, headers: dict[str, str], allowed: bool
) -> None:
    submitted = submit_image(client, cat).get_json()["id"]
    answers = [
        submit_image(client, cat, headers=headers),
        client.post(f"{URL}/{submitted}/cancel", headers=headers),
    ]
    for response in answers:
        if allowed:
            assert response.status_code in {200, 202}
        else:
            assert_problem(response, 403, "origin_not_allowed")


def test_answers_are_readable_by_allowed_origins_only(client: FlaskClient, cat: bytes) -> None:
    path = f"{URL}/{submit_image(client, cat).get_json()['id']}"
    for readable, origin in ((True, LABELS), (False, EVIL)):
        response = client.get(path, headers={"Origin": origin})
        assert response.headers.get("Access-Control-Allow-Origin") == (origin if readable else None)
        assert response.headers["Vary"] == "Origin"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Access-Control-Allow-Credentials" not in response.headers


def test_overlays_heatmaps_and_maps_are_readable_by_every_origin_without_credentials(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    path = f"{URL}/{submit_image(client, cat).get_json()['id']}"
    finish_next_job(settings)
    for name in ("overlay", "heatmap", "map.npy"):
        response = client.get(f"{path}/{name}", headers={"Origin": EVIL})
        assert response.status_code == 200
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "Access-Control-Allow-Credentials" not in response.headers


def test_preflight_requests_are_answered_without_credentials(client: FlaskClient) -> None:
    response = preflight(client, URL, origin=LABELS, method="POST")
    assert (response.status_code, response.data) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] == LABELS
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    overlay = preflight(client, f"{URL}/a/overlay", origin=EVIL, method="GET")
    assert (overlay.status_code, overlay.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert "Authorization" in overlay.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("path", "method"), [(URL, "POST"), (f"{URL}/a", "GET"), (f"{URL}/a/overlay", "POST")]
)
def test_a_preflight_of_another_origin_is_refused(
    client: FlaskClient, path: str, method: str
) -> None:
    response = preflight(client, path, origin=EVIL, method=method)
    assert_problem(response, 403, "origin_not_allowed")


def test_every_answer_has_the_security_headers(client: FlaskClient) -> None:
    answers = [
        client.get("/healthz"),
        client.get("/v1/models"),
        client.get("/v1/nothing"),
        client.delete(URL),
        client.post(URL, data="{", content_type="application/json"),
        client.get("/v1/models", headers={"Host": "evil.example"}),
        client.options(URL),
        client.head("/v1/models"),
    ]
    for response in answers:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert (
            response.headers["Content-Security-Policy"]
            == "default-src 'none'; frame-ancestors 'none'"
        )
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert response.headers["Cache-Control"] == "no-store"
        assert "Server" not in response.headers
