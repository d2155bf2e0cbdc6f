"""Both clients against a real API with a stub worker."""

import base64
import copy
import json
import pickle
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image as PillowImage

from awaited_client import AwaitedClient, Connect, both_clients
from images import encoded, gradient
from optionals import present
from seewhy.client import Client, Explanation, ImageId, Item, NotConnected, RequestRejected
from seewhy.schemas.job import JobState
from seewhy.storage.obstore_adapter import open_store
from servers.process_cluster import ProcessCluster, running_api
from servers.valkey import RedisServer


@pytest.fixture(scope="module")
def api(valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessCluster]:
    with running_api(valkey, tmp_path_factory.mktemp("service")) as cluster:
        cluster.start_stub_worker()
        yield cluster


@pytest.fixture
def url(api: ProcessCluster) -> str:
    return api.url


@pytest.fixture
def client(url: str, connect: Connect) -> Iterator[Client]:
    with connect(url) as client:
        yield client


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    path.write_bytes(encoded(gradient(80, 60), "PNG"))
    return path


def image_of(content: bytes) -> Any:
    with PillowImage.open(BytesIO(content)) as image:
        image.load()
        return image


@both_clients
def test_a_batch_takes_items_with_options_and_gives_typed_results(
    client: Client, photo: Path, tmp_path: Path
) -> None:
    items: list[Item | Path | ImageId] = [
        photo,
        Item(photo, key="second", targets=[1, 2]),
        Item(b"no image", key="text"),
        client.upload(photo),
    ]
    batch = client.batches.create(iter(items), method="gradcam", metadata={"night": 1})
    assert batch.counts.total == 4
    assert [(item.index, item.key, item.code) for item in batch.refused] == [
        (2, "text", "unsupported_image")
    ]
    ended = client.batches.wait(batch)
    assert (ended.status.value, ended.counts.succeeded, ended.counts.refused) == ("finished", 3, 1)

    first, second, refused, last = client.batches.results(batch.id)
    assert [item.index for item in (first, second, refused, last)] == [0, 1, 2, 3]
    assert (second.key, refused.status.value, present(refused.error).code) == (
        "second", "refused", "unsupported_image",
    )  # fmt: skip
    assert refused.explanation is None
    explanation = present(second.explanation)
    assert [target.score.index for target in present(explanation.result).targets] == [1, 2]
    assert explanation.metadata == {"night": 1}
    assert client.map(explanation).shape == (2, 7, 7)
    assert [item.index for item in client.batches.results(batch, after=1)] == [2, 3]

    archive = client.batches.overlays(batch, tmp_path / "overlays.zip")
    with ZipFile(archive) as overlays:
        assert len(overlays.namelist()) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png", "overlays.zip"}
    *_, latest = client.batches.events(batch)
    assert latest.counts == ended.counts


@both_clients
def test_a_batch_is_sent_once_for_one_key(client: Client, photo: Path, connect: Connect) -> None:
    key = f"night-{connect.__name__}"
    first, again = (
        client.batches.create([photo], idempotency_key=key, outputs=[]) for _ in range(2)
    )
    assert first.id == again.id
    with pytest.raises(RequestRejected) as rejected:
        client.batches.create([photo, photo], idempotency_key=key, outputs=[])
    assert rejected.value.status == 422


@both_clients
def test_a_zip_archive_is_a_batch(client: Client, photo: Path, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.write(photo, "a/first.png")
        archive.writestr("a/notes.txt", "no image")
    batch = client.batches.create_from_archive(tmp_path / "photos.zip", targets=[3], outputs=[])
    client.batches.wait(batch)
    image, notes = client.batches.results(batch)
    assert (image.key, notes.key) == ("a/first.png", "a/notes.txt")
    assert (image.status.value, notes.status.value) == ("succeeded", "refused")
    explained = present(present(image.explanation).result)
    assert [target.score.index for target in explained.targets] == [3]


@both_clients
def test_a_folder_of_a_bucket_that_is_not_allowed_is_refused(client: Client) -> None:
    with pytest.raises(RequestRejected) as rejected:
        client.batches.create_from_folder("s3://photos/2026/", targets=[3])
    assert rejected.value.problem == "image_url_refused"


@both_clients
def test_expired_items_of_a_batch_are_repeated(client: Client, photo: Path) -> None:
    batch = client.batches.create([Item(photo, key="late", deadline_s=0.001, cache=False)])
    ended = client.batches.wait(batch)
    assert ended.counts.expired == 1
    again = client.batches.retry(ended)
    assert (again.retry_of, again.retries) == (batch.id, 1)
    assert client.batches.wait(again).status.terminal


@both_clients
def test_a_batch_is_cancelled(client: Client, photo: Path) -> None:
    batch = client.batches.create([photo] * 3)
    cancelled = client.batches.cancel(batch)
    assert cancelled.cancel_requested or cancelled.status.terminal
    assert client.batches.wait(batch).status.terminal


@both_clients
def test_a_missing_file_fails_before_anything_is_sent(client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        client.batches.create([tmp_path / "missing.jpg"])


@both_clients
def test_drawings_take_options_and_formats(client: Client, photo: Path) -> None:
    explanation = client.explain(photo, targets=[1, 2])
    plain = client.overlay(explanation)
    assert image_of(plain).format == "JPEG"
    drawn = client.overlay(explanation, target=1, colormap="viridis", alpha=0.9, format="png")
    assert (image_of(drawn).format, image_of(drawn).size) == ("PNG", (80, 60))
    small = client.overlay(explanation, size=40, threshold=0.5, polarity="signed", format="webp")
    assert (image_of(small).format, image_of(small).size) == ("WEBP", (40, 30))
    assert image_of(client.heatmap(explanation)).mode in {"RGBA", "P"}
    outlines = client.contours(
        explanation, boxes=True, threshold="otsu", components=2, format="png"
    )
    without = client.contours(explanation, boxes=False, threshold="otsu", format="png")
    assert image_of(outlines).size == (80, 60)
    assert outlines != without
    with pytest.raises(IndexError, match="has 2 targets"):
        client.contours(explanation, target=2)
    with pytest.raises(RequestRejected) as rejected:
        client.heatmap(explanation, format="jpeg")
    assert rejected.value.problem == "not_acceptable"


@both_clients
def test_drawings_and_maps_are_saved_by_the_ending_of_the_name(
    client: Client, photo: Path, tmp_path: Path
) -> None:
    explanation = client.explain(photo)
    for name, kind in (("a.seewhy.jpg", "JPEG"), ("b.png", "PNG"), ("c.WEBP", "WEBP")):
        assert image_of(client.save(explanation, tmp_path / name).read_bytes()).format == kind
    path = client.save(explanation, tmp_path / "d.jpg", format="png")
    assert image_of(path.read_bytes()).format == "JPEG"
    for name in ("maps.npy", "MAPS.NPY"):
        saved = np.load(client.save(explanation.id, tmp_path / name))
        np.testing.assert_array_equal(saved, client.map(explanation))
    with pytest.raises(ValueError, match=r"cannot save as 'a.tiff': .*\.npy"):
        client.save(explanation, tmp_path / "a.tiff")


@both_clients
def test_a_saved_page_holds_all_maps_the_photo_and_what_to_show_first(
    client: Client, photo: Path, tmp_path: Path
) -> None:
    methods = ["gradcam", "layercam"]
    explanation = client.explain(photo, targets=[1, 2], methods=methods, metadata={"a": "private"})
    path = client.save(
        explanation, tmp_path / "why.html", target=1, method="layercam", alpha=0.4, threshold="p90",
        polarity="signed", normalize="none", size=40,
    )  # fmt: skip
    text = path.read_text("utf-8")
    assert text == client.html(
        explanation.id, target=1, method="layercam", alpha=0.4, threshold="p90",
        polarity="signed", normalize="none", size=40,
    )  # fmt: skip
    assert "private" not in text
    data = json.loads(re.findall(r'id="explanation">(.*?)</script>', text)[0])
    for method, stored in zip(methods, data["maps"], strict=True):
        maps = np.load(BytesIO(base64.b64decode(stored)))
        np.testing.assert_array_equal(maps, client.map(explanation, method=method))
    assert data["view"] == {
        "set": 1, "target": 1, "opacity": 0.4, "polarity": "signed", "scale": 1,
        "threshold": {"kind": "percentile", "value": 90},
    }  # fmt: skip
    [jpeg] = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    assert image_of(base64.b64decode(jpeg)).size == (40, 30)


@both_clients
def test_a_page_is_refused_as_a_drawing_is(client: Client, photo: Path, tmp_path: Path) -> None:
    explanation = client.explain(photo)
    with pytest.raises(IndexError, match="has 1 targets"):
        client.save(explanation, tmp_path / "why.html", target=1)
    with pytest.raises(RequestRejected, match="colormap"):
        client.save(explanation, tmp_path / "why.htm", colormap="rainbow")
    expired = client.submit(photo, deadline_s=0.001, cache=False)
    client.wait(expired)
    with pytest.raises(RequestRejected) as rejected:
        client.html(expired)
    assert rejected.value.problem == "result_not_ready"
    assert {path.name for path in tmp_path.iterdir()} == {"photo.png"}


@both_clients
def test_a_page_of_an_image_past_its_retention_has_no_photo(
    client: Client, api: ProcessCluster
) -> None:
    store = open_store(api.settings)
    kept = set(store.list_keys("images/"))
    explanation = client.explain(encoded(gradient(33, 21), "PNG"), cache=False)
    for key in set(store.list_keys("images/")) - kept:
        store.delete(key)
    text = client.html(explanation)
    assert "data:image/" not in text
    assert '"maps":["' in text


@both_clients
def test_an_explanation_shows_and_saves_itself_if_its_client_blocks(
    client: Client, photo: Path, tmp_path: Path
) -> None:
    explanation = client.explain(photo)
    *_, event = client.events(explanation)
    if isinstance(client, AwaitedClient):
        for one in (explanation, present(event.explanation)):
            with pytest.raises(NotConnected, match="Await the client's"):
                one.overlay()
        assert "<img" not in explanation._repr_html_()
        assert set(explanation._repr_mimebundle_()) == {"text/plain", "text/html"}
    else:
        assert present(event.explanation).overlay() == client.overlay(explanation)
        explanation.save(tmp_path / "shown.jpg", alpha=0.2)
        assert image_of((tmp_path / "shown.jpg").read_bytes()).size == (80, 60)
        assert explanation.html() == client.html(explanation)
        shown = explanation._repr_mimebundle_()
        assert base64.b64decode(shown["image/jpeg"]) == explanation.overlay(size=480)
        assert 'src="data:image/jpeg;base64,/9j/' in shown["text/html"]
        assert "<iframe" in shown["text/html"]
        assert shown["text/plain"].startswith("efficientnet-lite0, gradcam: succeeded\n")
    assert explanation.status is JobState.SUCCEEDED


def test_an_explanation_of_a_closed_client_says_so(url: str, photo: Path) -> None:
    with Client(url) as client:
        explanation = client.explain(photo)
    with pytest.raises(NotConnected, match="is closed"):
        explanation.overlay()
    assert "<table><tr><td>" in explanation._repr_html_()


@both_clients
def test_an_explanation_without_a_client_says_so(client: Client, photo: Path) -> None:
    explanation = client.explain(photo)
    stored = Explanation.model_validate(explanation.to_dict())
    pickled = pickle.loads(pickle.dumps(explanation))  # noqa: S301
    assert stored == explanation
    for one in (stored, copy.deepcopy(explanation), pickled):
        assert one == explanation
        with pytest.raises(NotConnected, match="not returned by a Client"):
            one.save("a.jpg")
        assert "<table><tr><td>" in one._repr_html_()
