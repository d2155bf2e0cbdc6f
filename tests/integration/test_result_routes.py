"""Results over HTTP: the map, overlays and heatmaps."""

import io
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from http_api import MAP, assert_problem, finish_next_job, submit_image
from icc_profiles import ADOBE_GAMMA, ADOBE_RGB, rgb_profile
from seewhy.imaging import codecs
from seewhy.imaging.arrays import MapArray
from seewhy.imaging.rendering.classic import classic_overlay
from seewhy.schemas.geometry import Rectangle
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store


def test_a_missing_result_is_a_conflict(client: FlaskClient, cat: bytes) -> None:
    job_id = submit_image(client, cat).get_json()["id"]
    for name in ("overlay", "heatmap", "map.npy"):
        assert_problem(client.get(f"/v1/explanations/{job_id}/{name}"), 409, "result_not_ready")


def test_deleted_objects_are_gone_even_if_the_ledger_has_the_job(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    path = f"/v1/explanations/{submit_image(client, cat).get_json()['id']}"
    finish_next_job(settings)
    store = open_store(settings)
    (key,) = store.list_keys("images/")
    store.delete(key)
    detail = assert_problem(client.get(f"{path}/overlay"), 410, "explanation_gone")
    assert detail == "The image is past its retention and was deleted."
    assert client.get(f"{path}/map.npy").status_code == 200
    for key in list(store.list_keys("results/")):
        store.delete(key)
    for name in ("overlay", "heatmap", "map.npy"):
        detail = assert_problem(client.get(f"{path}/{name}"), 410, "explanation_gone")
        assert detail == "The result is past its retention and was deleted."


def test_the_image_alone_is_shown_when_its_map_was_deleted(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    path = f"/v1/explanations/{submit_image(client, cat).get_json()['id']}"
    finish_next_job(settings)
    url = f"{path}/overlay?alpha=0&size=200"
    shown = client.get(url, headers={"Accept": "image/png"})
    photo = Image.open(io.BytesIO(cat)).convert("RGB").resize((200, 133), Image.Resampling.BOX)
    pixels = np.asarray(Image.open(io.BytesIO(shown.data)).convert("RGB"), int)
    assert np.abs(pixels - np.asarray(photo, int)).mean() < 2
    store = open_store(settings)
    for key in list(store.list_keys("results/")):
        store.delete(key)
    assert client.get(url, headers={"Accept": "image/png"}).data == shown.data
    assert_problem(client.get(f"{path}/overlay?alpha=0.1"), 410, "explanation_gone")


def test_results_are_rendered_on_demand_for_any_origin(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    path = f"/v1/explanations/{submit_image(client, cat).get_json()['id']}"
    finish_next_job(settings)
    numbers = client.get(f"{path}/map.npy")
    np.testing.assert_array_equal(np.load(io.BytesIO(numbers.data)), MAP)
    plain = client.get(f"{path}/overlay")
    signed = client.get(f"{path}/overlay?target=tiger cat&polarity=signed&alpha=0.9")
    heat = client.get(f"{path}/heatmap?colormap=viridis")
    assert [a.content_type for a in (plain, signed, heat)] == ["image/jpeg"] * 2 + ["image/png"]
    assert plain.data != signed.data
    for response in (numbers, plain, signed, heat):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    pixels = np.asarray(Image.open(io.BytesIO(heat.data)))
    assert pixels.shape == (300, 451, 4)
    assert (pixels[:, :100, 3] == 0).all(), "the model did not see this part"


def test_the_maps_of_each_method_are_chosen_by_its_name(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    methods = ["gradcam", "hirescam"]
    submitted = submit_image(client, cat, methods=methods).get_json()
    path = f"/v1/explanations/{submitted['id']}"
    finish_next_job(settings, others={"hirescam": -MAP})
    for query, expected in (("", MAP), ("?method=gradcam", MAP), ("?method=hirescam", -MAP)):
        response = client.get(f"{path}/map.npy{query}")
        np.testing.assert_array_equal(np.load(io.BytesIO(response.data)), expected)
    for name in ("overlay", "heatmap", "regions", "coco.json", "mask.png", "contours"):
        first = client.get(f"{path}/{name}")
        other = client.get(f"{path}/{name}?method=hirescam")
        assert other.status_code == 200
        assert first.data != other.data
        assert first.headers["ETag"] != other.headers["ETag"]
    detail = assert_problem(client.get(f"{path}/map.npy?method=layercam"), 422, "invalid_request")
    assert detail.endswith("no maps of 'layercam'; it has maps of: gradcam at l, hirescam at l.")
    result = client.get(path).get_json()["result"]
    assert [other["method"] for other in result["other_maps"]] == ["hirescam"]


def test_the_maps_of_each_layer_are_chosen_by_its_name(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    layers = ["top_relu", "block6a_expand_relu"]
    submitted = submit_image(client, cat, layers=layers, methods=["gradcam", "hirescam"])
    path = f"/v1/explanations/{submitted.get_json()['id']}"
    fine = np.linspace(1, -1, 196, dtype=np.float32).reshape(1, 14, 14)
    others: dict[str | tuple[str, str], MapArray] = {
        ("gradcam", "net/fine"): fine,
        "hirescam": -MAP,
        ("hirescam", "net/fine"): -fine,
    }
    finish_next_job(settings, others=others)
    for query, expected in (
        ("", MAP),
        ("?layer=l", MAP),
        ("?layer=fine", fine),
        ("?layer=net/fine&method=gradcam", fine),
        ("?layer=fine&method=hirescam", -fine),
        ("?method=hirescam", -MAP),
    ):
        response = client.get(f"{path}/map.npy{query}")
        np.testing.assert_array_equal(np.load(io.BytesIO(response.data)), expected)
    for name in ("overlay", "heatmap", "regions", "coco.json", "mask.png", "contours"):
        images = [client.get(f"{path}/{name}{query}") for query in ("", "?layer=fine")]
        assert [image.status_code for image in images] == [200, 200]
        assert images[0].data != images[1].data
        assert images[0].headers["ETag"] != images[1].headers["ETag"]
    assert client.get(f"{path}/regions?layer=fine").get_json()["layer"] == "net/fine"
    query = "layer=block9&method=hirescam"
    detail = assert_problem(client.get(f"{path}/map.npy?{query}"), 422, "invalid_request")
    assert detail.startswith("This explanation has no maps of 'hirescam' at 'block9'; it has")
    result = client.get(path).get_json()["result"]
    shapes = [(one["layer"], one["map_height"]) for one in result["other_maps"]]
    assert shapes == [("net/fine", 14), ("l", 7), ("net/fine", 14)]


def test_a_map_is_rendered_with_the_requested_scale_and_preset(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    rendered: dict[str, bytes] = {}
    rendered_with_query: set[bytes] = set()
    requests: dict[str, dict[str, Any]] = {
        "image": {},
        "fixed": {"normalize": 0.25},
        "classic": {"preset": "classic"},
    }
    for name, fields in requests.items():
        path = f"/v1/explanations/{submit_image(client, cat, **fields).get_json()['id']}/overlay"
        finish_next_job(settings)
        rendered[name] = client.get(path).data
        rendered_with_query.add(client.get(f"{path}?normalize=0.25").data)
    assert len(set(rendered.values())) == 3
    assert rendered_with_query == {rendered["fixed"]}
    decoded = codecs.decode(cat, max_pixels=1_000_000)
    covers = Rectangle(x=100, y=0, width=300, height=300)
    assert rendered["classic"] == codecs.encode_jpeg(
        classic_overlay(decoded, MAP[0], rectangle=covers)
    )


@pytest.mark.parametrize(
    "query",
    [
        "normalize=0",
        "normalize=inf",
        "alpha=nan",
        "alpha=2",
        "polarity=up",
        "color=red",
        "colormap=pink",
        "target=cta",
        "target=281",
        "map=1",
        "map=-1",
        "map=0&target=282",
    ],
)
def test_invalid_render_options_are_refused(
    client: FlaskClient, settings: Settings, cat: bytes, query: str
) -> None:
    job_id = submit_image(client, cat).get_json()["id"]
    finish_next_job(settings)
    response = client.get(f"/v1/explanations/{job_id}/overlay?{query}")
    assert assert_problem(response, 422, "unknown_class" if "cta" in query else "invalid_request")


def test_what_is_drawn_has_no_metadata_of_the_image(
    client: FlaskClient, settings: Settings, cat: bytes
) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 7.0)})
    profile = rgb_profile(ADOBE_RGB, [ADOBE_GAMMA])
    file = io.BytesIO()
    with Image.open(io.BytesIO(cat)) as photo:
        photo.save(file, "JPEG", exif=exif, icc_profile=profile, comment=b"a secret name")
    job_id = submit_image(client, file.getvalue()).get_json()["id"]
    finish_next_job(settings)
    assert file.getvalue().count(b"secret") == 2
    drawn = {
        (name, media_type): client.get(
            f"/v1/explanations/{job_id}/{name}", headers={"Accept": media_type}
        )
        for name, types in {
            "overlay": ("image/jpeg", "image/png", "image/webp"),
            "heatmap": ("image/png", "image/webp"),
            "contours": ("image/jpeg", "image/png", "image/webp"),
            "mask.png": ("image/png",),
        }.items()
        for media_type in types
    }
    for (_, media_type), response in drawn.items():
        assert (response.status_code, response.content_type) == (200, media_type), response.data
        with Image.open(io.BytesIO(response.data)) as image:
            assert not image.getexif()
            assert not {"exif", "icc_profile", "comment", "xmp"} & set(image.info)
        assert b"secret" not in response.data
