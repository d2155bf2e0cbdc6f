"""`seewhy export` writes a batch of a real API with a stub worker in each format."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from annotation_strategies import numbers_of
from full_disk import largest_file
from images import encoded, gradient
from optionals import present
from seewhy.annotations.annotation import ImageSize
from seewhy.annotations.coco.objects import decode_object
from seewhy.annotations.cvat.xml_images import decode_images
from seewhy.annotations.fiftyone import decode_detection
from seewhy.annotations.label_studio.results import decode_result
from seewhy.annotations.pascal_voc import decode_voc
from seewhy.annotations.shapes import mask_of
from seewhy.annotations.yolo import decode_yolo
from seewhy.cli.app import app
from seewhy.client import Client, Item, MapRegions
from seewhy.imaging.codecs import encode_mask_png
from servers.process_cluster import running_api
from servers.scripted import Request, Response, scripted
from servers.valkey import RedisServer
from service_documents import (
    BATCH_ID,
    REGIONS,
    SCORE,
    batch_document,
    result_line,
    succeeded_document,
)

NAMES = ["00000-cat.png", "00001-my-dog.png"]
SIZE = ImageSize(40, 24)
IMAGES = [gradient(40, 24), gradient(40, 24).transpose(Image.Transpose.FLIP_TOP_BOTTOM)]


@pytest.fixture(scope="module")
def url(valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_api(valkey, tmp_path_factory.mktemp("export")) as cluster:
        cluster.start_stub_worker()
        yield cluster.url


@pytest.fixture(scope="module")
def batch(url: str) -> str:
    """Two images with two targets, and a file that is no image."""
    cat, dog = (encoded(image, "PNG") for image in IMAGES)
    items = [Item(cat, key="cat.jpg"), Item(dog, key="my dog"), Item(b"text", key="text")]
    with Client(url) as client:
        created = client.batches.create(items, targets=[2, 5])
        return client.batches.wait(created, timeout_s=60).id


@pytest.fixture(scope="module")
def regions(url: str, batch: str) -> list[list[MapRegions]]:
    """The regions of each image, of both targets."""
    with Client(url) as client:
        explanations = [item.explanation for item in client.batches.results(batch)]
        return [
            [client.regions(one, target=target) for target in range(2)]
            for one in explanations
            if one
        ]


def export(url: str, batch: str, out: Path, *options: str) -> Result:
    arguments = ["export", batch, "--out", str(out), "--url", url, *options]
    return CliRunner().invoke(app, arguments)


def unwrapped(text: str) -> str:
    """Return the words of a message without the frame around it."""
    return " ".join(text.replace("│", " ").split())


def boxes(regions: list[MapRegions]) -> list[list[float]]:
    return [list(dict(region.box).values()) for one in regions for region in one.regions]


def labels(regions: list[list[MapRegions]]) -> list[str]:
    return [one.target.label for one in regions[0]]


def assert_images(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    for name, image in zip(NAMES, IMAGES, strict=True):
        assert (np.asarray(Image.open(folder / name)) == np.asarray(image)).all()


def test_coco_has_masks_with_scores_and_failures_are_listed(
    url: str, batch: str, regions: list[list[MapRegions]], tmp_path: Path
) -> None:
    run = export(url, batch, tmp_path, "--format", "coco")
    assert run.exit_code == 1, run.output
    assert "2 text: " in run.stderr
    assert "1 of 3 items failed" in run.stderr
    assert_images(tmp_path / "images")
    file = json.loads((tmp_path / "annotations.json").read_text("utf-8"))
    assert [image["file_name"] for image in file["images"]] == NAMES
    categories = {one["id"]: one["name"] for one in file["categories"]}
    assert list(categories.items()) == list(enumerate(labels(regions), start=1))
    found = [(n, one) for n, both in enumerate(regions, start=1) for one in both]
    assert len(file["annotations"]) == len(found)
    for fields, (image_id, expected) in zip(file["annotations"], found, strict=True):
        decoded = decode_object(fields, SIZE, labels=categories)
        (region,) = expected.regions
        assert (fields["image_id"], decoded.label) == (image_id, expected.target.label)
        assert decoded.box == region.box
        assert int(mask_of(decoded).sum()) == fields["area"] == region.area_px
        assert decoded.score == pytest.approx(present(expected.target.probability))


@pytest.mark.parametrize("shape", ["polygon", "box"])
def test_coco_holds_polygons_and_boxes(
    url: str, batch: str, regions: list[list[MapRegions]], tmp_path: Path, shape: str
) -> None:
    export(url, batch, tmp_path, "--format", "coco", "--shape", shape)
    objects = json.loads((tmp_path / "annotations.json").read_text("utf-8"))["annotations"]
    assert [one["bbox"] for one in objects] == [box for one in regions for box in boxes(one)]
    assert all(bool(one["segmentation"]) == (shape == "polygon") for one in objects)


def test_cvat_has_masks_and_the_list_of_labels(
    url: str, batch: str, regions: list[list[MapRegions]], tmp_path: Path
) -> None:
    export(url, batch, tmp_path, "--format", "cvat")
    assert_images(tmp_path / "images")
    images = decode_images((tmp_path / "annotations.xml").read_text("utf-8"))
    for name, found, (decoded_name, decoded) in zip(NAMES, regions, images, strict=True):
        areas = [region.area_px for one in found for region in one.regions]
        assert (decoded_name, [int(mask_of(one).sum()) for one in decoded]) == (name, areas)
    classes = json.loads((tmp_path / "labels.json").read_text("utf-8"))
    assert [one["name"] for one in classes] == labels(regions)


def test_label_studio_has_tasks_with_predictions_and_the_configuration(
    url: str, batch: str, regions: list[list[MapRegions]], tmp_path: Path
) -> None:
    export(
        url, batch, tmp_path, "--format", "label-studio", "--shape", "box",
        "--image-folder-url", "https://images.example/",
    )  # fmt: skip
    tasks = json.loads((tmp_path / "tasks.json").read_text("utf-8"))
    assert [task["data"] for task in tasks] == [
        {"image": f"https://images.example/{name}"} for name in NAMES
    ]
    for task, found in zip(tasks, regions, strict=True):
        (prediction,) = task["predictions"]
        decoded = [one for result in prediction["result"] for one in decode_result(result)]
        assert [one.label for one in decoded[:2]] == labels(regions)
        placed = [numbers_of(one) for one in decoded[2:]]
        assert placed == [pytest.approx(box) for box in boxes(found)]
        ids = [result["id"] for result in prediction["result"]]
        assert len(set(ids)) == len(ids)
    config = (tmp_path / "labeling_config.xml").read_text("utf-8")
    assert all(f'<Label value="{label}" />' in config for label in labels(regions))


def test_yolo_has_a_file_for_each_image_and_the_classes(
    url: str, batch: str, regions: list[list[MapRegions]], tmp_path: Path
) -> None:
    export(url, batch, tmp_path, "--format", "yolo")
    assert_images(tmp_path / "images")
    data = yaml.safe_load((tmp_path / "data.yaml").read_text("utf-8"))
    assert data["names"] == dict(enumerate(labels(regions)))
    for name, found in zip(NAMES, regions, strict=True):
        text = (tmp_path / "labels" / name).with_suffix(".txt").read_text("utf-8")
        decoded = decode_yolo(text, SIZE, labels=labels(regions))
        assert [numbers_of(one) for one in decoded] == [
            pytest.approx(box, abs=1e-4) for box in boxes(found)
        ]


def test_pascal_voc_has_a_file_for_each_image(
    url: str, batch: str, regions: list[list[MapRegions]], tmp_path: Path
) -> None:
    export(url, batch, tmp_path, "--format", "voc")
    assert_images(tmp_path / "JPEGImages")
    classes = (tmp_path / "labelmap.txt").read_text("utf-8").splitlines()[1:]
    assert classes == ["background:::", *(f"{label}:::" for label in labels(regions))]
    for name, found in zip(NAMES, regions, strict=True):
        text = (tmp_path / "Annotations" / name).with_suffix(".xml").read_text("utf-8")
        size, decoded = decode_voc(text)
        assert (size, [numbers_of(one) for one in decoded]) == (SIZE, boxes(found))


def test_fiftyone_has_classes_boxes_with_scores_and_heatmaps(
    url: str, batch: str, regions: list[list[MapRegions]], tmp_path: Path
) -> None:
    export(url, batch, tmp_path, "--format", "fiftyone")
    assert_images(tmp_path / "data")
    metadata = json.loads((tmp_path / "metadata.json").read_text("utf-8"))
    assert metadata["info"]["default_classes"] == labels(regions)
    samples = json.loads((tmp_path / "samples.json").read_text("utf-8"))["samples"]
    for sample, name, found in zip(samples, NAMES, regions, strict=True):
        assert sample["filepath"] == f"data/{name}"
        decoded = [decode_detection(one, SIZE) for one in sample["regions"]["detections"]]
        assert [numbers_of(one) for one in decoded] == [pytest.approx(box) for box in boxes(found)]
        probabilities = [one.target.probability for one in found]
        classes = sample["classes"]["classifications"]
        assert [one["confidence"] for one in classes] == probabilities
        assert [one.score for one in decoded] == pytest.approx(probabilities)
        assert sample["heatmap"]["map_path"] == f"fields/heatmap/{name}"
        assert sample["heatmap"]["range"] == [0, 255]
        heatmap = Image.open(tmp_path / sample["heatmap"]["map_path"])
        assert (heatmap.mode, heatmap.size) == ("L", (40, 24))
        assert np.asarray(heatmap).max() > 200


def test_mistakes_are_refused_before_anything_is_written(
    url: str, batch: str, tmp_path: Path
) -> None:
    run = export(url, batch, tmp_path / "new", "--format", "voc", "--shape", "mask")
    assert (run.exit_code, "voc cannot hold a mask" in unwrapped(run.stderr)) == (2, True)
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "a.txt").touch()
    run = export(url, batch, tmp_path / "kept", "--format", "coco")
    assert (run.exit_code, "is not empty, it has a.txt" in unwrapped(run.stderr)) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_batch_that_runs_is_refused(tmp_path: Path) -> None:
    running = batch_document("running", total=3, queued=2)
    with scripted(Response(200, running)) as server:
        run = export(server.url, BATCH_ID, tmp_path / "new", "--format", "coco")
    assert run.exit_code == 2
    assert "the batch is running: 1 of 3 items have ended" in unwrapped(run.stderr)
    assert not (tmp_path / "new").exists()


def mask_png(*, empty: bool) -> bytes:
    """Return the mask of the regions, or one that is another."""
    pixels = np.zeros((24, 40), np.uint8)
    if not empty:
        pixels[2:6, 10:13] = 255
    return encode_mask_png(pixels, bits=1)


def answer(request: Request, *, items: int, label: str = "tiger cat") -> Response:
    """Answer about a batch with some explanations, of which the first has another mask."""
    path = request.path.split("?")[0]
    if path.endswith(BATCH_ID):
        return Response(200, batch_document("finished", total=items, succeeded=items))
    if path.endswith("/results"):
        documents = (succeeded_document(id=f"job-{index}") for index in range(items))
        lines = (
            result_line(index, **document, key=f"{index}.jpg")
            for index, document in enumerate(documents)
        )
        return Response(200, b"".join(lines))
    if path.endswith("/regions"):
        return Response(200, REGIONS | {"target": SCORE | {"label": label}})
    if path.endswith("/mask.png"):
        return Response(200, mask_png(empty="job-0/" in path))
    return Response(200, encoded(IMAGES[0], "PNG"))


def test_an_item_whose_mask_is_another_does_not_stop_the_others(tmp_path: Path) -> None:
    with scripted(answer=partial(answer, items=12)) as server:
        run = export(server.url, BATCH_ID, tmp_path, "--format", "coco")
    assert (run.exit_code, "1 of 12 items failed" in run.stderr) == (1, True), run.output
    assert "0 0.jpg: the mask does not show the regions" in run.stderr
    file = json.loads((tmp_path / "annotations.json").read_text("utf-8"))
    names = [f"{index:05}-{index}.png" for index in range(1, 12)]
    assert [image["file_name"] for image in file["images"]] == names
    assert [one["area"] for one in file["annotations"]] == [12] * 11


def test_a_class_that_the_format_cannot_hold_is_a_failure_of_its_items(tmp_path: Path) -> None:
    with scripted(answer=partial(answer, items=2, label="a:b")) as server:
        run = export(server.url, BATCH_ID, tmp_path, "--format", "voc")
    assert run.exit_code == 1
    assert "0 0.jpg: the class 'a:b' cannot be in labelmap.txt" in unwrapped(run.stderr)
    assert list((tmp_path / "JPEGImages").iterdir()) == []


def test_a_drawing_that_is_no_image_is_a_failure_of_its_item(tmp_path: Path) -> None:
    def broken(request: Request) -> Response:
        found = answer(request, items=2)
        return Response(200, b"no PNG") if "job-0/overlay" in request.path else found

    with scripted(answer=broken) as server:
        run = export(server.url, BATCH_ID, tmp_path, "--format", "yolo")
    assert run.exit_code == 1
    assert "0 0.jpg: the service has sent a drawing that is no PNG" in unwrapped(run.stderr)


@pytest.mark.parametrize("format_", ["coco", "yolo", "fiftyone"])
def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path, format_: str) -> None:
    with (
        scripted(answer=partial(answer, items=4)) as server,
        largest_file(100),  # less than an image has
    ):
        run = export(server.url, BATCH_ID, tmp_path / "out", "--format", format_)
    assert run.exit_code == 1
    assert isinstance(run.exception, SystemExit)
    message = unwrapped(run.stderr)
    assert f"{tmp_path / 'out'} cannot be written: File too large." in message
    assert "free some space or name another folder" in message
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with scripted(answer=partial(answer, items=1)) as server:
        run = export(server.url, BATCH_ID, tmp_path / "file" / "out", "--format", "coco")
    assert (run.exit_code, isinstance(run.exception, SystemExit)) == (1, True)
    assert "cannot be written: Not a directory." in unwrapped(run.stderr)
