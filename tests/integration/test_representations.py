"""Media types by `Accept`, entity tags, and the options of drawings."""

import io
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.typing import NDArray
from PIL import Image

from http_api import MAP, assert_problem, finish_next_job, submit_image
from images import encoded, gradient
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
SUFFIXES = {JPEG: "jpg", PNG: "png", WEBP: "webp"}
BROWSER = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"


@pytest.fixture
def settings_overrides() -> dict[str, Any]:
    return {"max_side_px": 40_000}


@pytest.fixture
def path(client: FlaskClient, settings: Settings, cat: bytes) -> str:
    """The path of an explanation that has a result."""
    job_id = submit_image(client, cat).get_json()["id"]
    finish_next_job(settings)
    return f"/v1/explanations/{job_id}"


def opened(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


def pixels(body: bytes) -> NDArray[Any]:
    return np.asarray(opened(body).convert("RGB")).astype(int)


@pytest.mark.parametrize(
    ("name", "accept", "media_type"),
    [
        ("overlay", None, JPEG),
        ("overlay", "", JPEG),
        ("overlay", "*/*", JPEG),
        ("overlay", "application/json, */*;q=0.5", JPEG),
        ("overlay", BROWSER, JPEG),
        ("overlay", "image/webp", WEBP),
        ("overlay", "IMAGE/WebP", WEBP),
        ("overlay", "image/webp, image/jpeg;q=0.9", WEBP),
        ("overlay", "image/*;q=0.5, image/png;q=0.6", PNG),
        ("overlay", "image/*, image/jpeg;q=0", WEBP),
        ("contours", "image/png", PNG),
        ("contours", BROWSER, JPEG),
        ("heatmap", None, PNG),
        ("heatmap", BROWSER, PNG),
        ("heatmap", "image/webp, */*;q=0.1", WEBP),
        ("heatmap", "image/jpeg, image/*;q=0.1", PNG),
        ("mask.png", "image/*", PNG),
    ],
)
def test_the_preferred_media_type_is_sent(
    client: FlaskClient, path: str, name: str, accept: str | None, media_type: str
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    response = client.get(f"{path}/{name}", headers=headers)
    assert (response.status_code, response.content_type) == (200, media_type)
    assert Image.MIME[opened(response.data).format or ""] == media_type
    assert opened(response.data).size == (451, 300)
    assert "Accept" in response.headers["Vary"]
    assert response.headers["Content-Disposition"].endswith(f'.{SUFFIXES[media_type]}"')


@pytest.mark.parametrize(
    ("name", "accept"),
    [
        ("overlay", "text/html"),
        ("overlay", "image/avif, image/*;q=0"),
        ("heatmap", "image/jpeg"),
        ("mask.png", "image/webp"),
        ("contours", "image"),
        ("map.npy", "image/png"),
        ("regions", "text/html, application/octet-stream"),
    ],
)
def test_a_request_that_accepts_nothing_available_is_refused(
    client: FlaskClient, path: str, name: str, accept: str
) -> None:
    response = client.get(f"{path}/{name}", headers={"Accept": accept})
    available = {"map.npy": "application/octet-stream", "regions": "application/json"}
    detail = assert_problem(response, 406, "not_acceptable")
    assert available.get(name, "image/png") in detail
    assert response.headers["Vary"] == "Accept"


def test_an_image_beyond_the_limit_of_webp_is_not_sent_as_webp(
    client: FlaskClient, settings: Settings
) -> None:
    wide = encoded(gradient(16_390, 2), "PNG")
    path = f"/v1/explanations/{submit_image(client, wide).get_json()['id']}"
    finish_next_job(settings, width_px=16_390, height_px=2)
    for accept, media_type in {
        "image/webp, image/*;q=0.1": JPEG,
        "image/webp;q=1, image/png": PNG,
    }.items():
        response = client.get(f"{path}/overlay", headers={"Accept": accept})
        assert (response.status_code, response.content_type) == (200, media_type)
    assert_problem(client.get(f"{path}/overlay", headers={"Accept": WEBP}), 406, "not_acceptable")
    smaller = client.get(f"{path}/overlay?size=16383", headers={"Accept": WEBP})
    assert (smaller.status_code, opened(smaller.data).size) == (200, (16_383, 2))


ROUTES = ("map.npy", "overlay", "heatmap", "regions", "coco.json", "mask.png", "contours")


@pytest.mark.parametrize("name", ROUTES)
def test_a_client_that_has_a_representation_is_not_sent_it_again(
    client: FlaskClient, settings: Settings, path: str, name: str
) -> None:
    first = client.get(f"{path}/{name}")
    tag = first.headers["ETag"]
    assert tag.startswith('"')
    store = open_store(settings)
    for key in [*store.list_keys("images/"), *store.list_keys("results/")]:
        store.delete(key)  # so that nothing can be drawn
    for condition in (tag, f'W/{tag}, "other"', "*"):
        again = client.get(f"{path}/{name}", headers={"If-None-Match": condition})
        assert (again.status_code, again.data) == (304, b"")
        for header in ("ETag", "Vary", "Cache-Control", "Access-Control-Allow-Origin"):
            assert again.headers[header] == first.headers[header], header
        assert "Content-Type" not in again.headers
    changed = client.get(f"{path}/{name}", headers={"If-None-Match": '"other"'})
    assert_problem(changed, 410, "explanation_gone")


def test_each_representation_has_a_tag_of_its_own(
    client: FlaskClient, settings: Settings, cat: bytes, path: str
) -> None:
    other = f"/v1/explanations/{submit_image(client, cat, cache=False).get_json()['id']}"
    finish_next_job(settings, map_=2 * MAP)
    options = (
        "", "?alpha=0.5", "?colormap=gray", "?polarity=negative", "?normalize=2",
        "?threshold=0.5", "?threshold=p50", "?threshold=otsu", "?size=100",
    )  # fmt: skip
    requests: list[tuple[str, str]] = [
        *((f"{path}/overlay{query}", JPEG) for query in options),
        *((f"{path}/overlay", media_type) for media_type in (WEBP, PNG)),
        *((f"{path}/mask.png{query}", PNG) for query in ("", "?bits=1", "?components=2")),
        *((f"{path}/contours{query}", JPEG) for query in ("", "?boxes=true", "?alpha=0.5")),
        (f"{path}/heatmap", PNG),
        (f"{path}/regions", "*/*"),
        (f"{path}/map.npy", "*/*"),
        (f"{other}/overlay", JPEG),
        (f"{other}/map.npy", "*/*"),
    ]
    tags = [client.get(url, headers={"Accept": type_}).headers["ETag"] for url, type_ in requests]
    assert len(set(tags)) == len(tags)
    assert tags == [
        client.get(url, headers={"Accept": type_}).headers["ETag"] for url, type_ in requests
    ]


def test_an_invalid_option_is_refused_even_with_a_condition(client: FlaskClient, path: str) -> None:
    for query in ("map=9", "alpha=7"):
        response = client.get(f"{path}/overlay?{query}", headers={"If-None-Match": "*"})
        assert_problem(response, 422, "invalid_request")


def test_a_head_request_gets_the_headers_only(client: FlaskClient, path: str) -> None:
    full, head = client.get(f"{path}/overlay"), client.head(f"{path}/overlay")
    assert head.data == b""
    assert {name: head.headers[name] for name in ("ETag", "Vary", "Content-Type")} == {
        name: full.headers[name] for name in ("ETag", "Vary", "Content-Type")
    }


def test_pages_of_other_origins_may_read_and_send_tags(client: FlaskClient, path: str) -> None:
    response = client.get(f"{path}/regions", headers={"Origin": "https://labels.test"})
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "ETag" in response.headers["Access-Control-Expose-Headers"]
    preflight = client.options(
        f"{path}/regions",
        headers={"Origin": "https://labels.test", "Access-Control-Request-Method": "GET"},
    )
    assert "If-None-Match" in preflight.headers["Access-Control-Allow-Headers"]


def test_drawings_are_scaled_down_only(client: FlaskClient, path: str) -> None:
    for name in ("overlay", "heatmap", "mask.png", "contours"):
        scaled = client.get(f"{path}/{name}?size=150")
        assert opened(scaled.data).size == (150, 100)
        same = client.get(f"{path}/{name}?size=9000&map=0")
        assert same.data == client.get(f"{path}/{name}?map=0").data
    large = pixels(client.get(f"{path}/heatmap?polarity=signed").data)
    small = pixels(client.get(f"{path}/heatmap?polarity=signed&size=150").data)
    assert np.abs(large[1::3, 1:450:3] - small).mean() < 3


def test_the_same_pixels_are_sent_in_every_media_type(client: FlaskClient, path: str) -> None:
    exact = pixels(client.get(f"{path}/overlay", headers={"Accept": PNG}).data)
    for media_type in (JPEG, WEBP):
        body = client.get(f"{path}/overlay", headers={"Accept": media_type}).data
        assert np.abs(pixels(body) - exact).mean() < 3
    heat = client.get(f"{path}/heatmap").data
    as_webp = client.get(f"{path}/heatmap", headers={"Accept": WEBP}).data
    assert np.abs(pixels(heat) - pixels(as_webp)).mean() < 3
    exact_alpha, alpha = (np.asarray(opened(body))[..., 3] for body in (heat, as_webp))
    assert np.array_equal(exact_alpha, alpha)


def test_evidence_below_the_threshold_is_not_drawn(
    client: FlaskClient, settings: Settings, path: str
) -> None:
    query = "colormap=gray&threshold=0.5"
    gray = pixels(client.get(f"{path}/heatmap?{query}").data)[..., 0]
    assert set(np.unique(gray[gray < 128])) == {0}
    assert gray.max() == 255
    mask = np.asarray(opened(client.get(f"{path}/mask.png?threshold=0.5").data))
    assert np.array_equal(gray > 0, mask == 255)
    plain = pixels(client.get(f"{path}/heatmap?colormap=gray").data)[..., 0]
    assert np.array_equal(plain[gray > 0], gray[gray > 0])
    signed = client.get(f"{path}/heatmap?polarity=signed&threshold=0.5").data
    whole = np.asarray(opened(signed))
    covered = whole[..., 3] == 255
    weak = (whole[..., :3] == 247).all(-1) & covered
    assert 0.4 < weak.sum() / covered.sum() < 0.6


@pytest.mark.parametrize(
    "query",
    [
        "size=15", "size=65501", "size=1e3", "threshold=0", "threshold=1", "threshold=nan",
        "threshold=p0", "threshold=p100", "threshold=high", "method=hirescam",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["overlay", "mask.png"])
def test_invalid_options_are_refused(client: FlaskClient, path: str, name: str, query: str) -> None:
    assert_problem(client.get(f"{path}/{name}?{query}"), 422, "invalid_request")


def test_the_method_of_a_map_may_be_named(client: FlaskClient, path: str) -> None:
    named = client.get(f"{path}/overlay?method=gradcam")
    assert named.data == client.get(f"{path}/overlay").data
    detail = assert_problem(client.get(f"{path}/regions?method=scorecam"), 422, "invalid_request")
    assert detail == "This explanation has no maps of 'scorecam'; it has maps of: gradcam at l."
