"""What annotators see: a real Label Studio, `seewhy up` with a real model, and a browser."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from label_studio_rules import check_results
from seewhy.annotations.label_studio.results import decode_result
from seewhy.annotations.shapes import mask_of
from servers.browser import Watch, opened_page
from servers.real_label_studio import RealLabelStudio
from servers.up import running_up
from servers.waiting import wait_until

Array = NDArray[np.uint8]

MODEL = "efficientnet-lite0"
SCREENSHOT = Path(__file__).parents[2] / "build" / "label-studio.webp"
"""The image of the documentation, which shows the page without the list of tasks."""
LEFT_PX = 240
SIDE_PX = 448
COLORED = 30
"""The least change of a color of the photo below a region, of 255."""
TICKED = """[...document.querySelectorAll("label")]
    .filter((label) => label.querySelector("input:checked"))
    .map((label) => label.innerText).join()"""
AREAS = """(() => {
    const image = document.querySelector("img[alt=image]");
    const stage = document.querySelector(".konvajs-content");
    if (!image?.complete || !stage) return null;
    const areas = [image, stage].map((element) => element.getBoundingClientRect());
    return areas.map((area) => [area.x, area.y, area.width, area.height].map(Math.round));
})()"""
"""The photo, which the page enlarges, and the part of it that is visible."""


@pytest.fixture(scope="module")
def backend_url(studio: RealLabelStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The backend of a running `seewhy up`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEEWHY_LABEL_STUDIO_URL", studio.url)
        patch.setenv("SEEWHY_LABEL_STUDIO_API_KEY", studio.personal_token)
        patch.setenv("SEEWHY_MAX_BATCH", "2")
        with running_up(tmp_path_factory.mktemp("up") / "data", model=MODEL) as up:
            yield f"{up.url}/label-studio"


@pytest.fixture
def project(studio: RealLabelStudio, photos: Path, label_config: str) -> int:
    """A project with a task for each of two photos, without a backend."""
    files = [(name, (photos / name).read_bytes()) for name in ("cat.jpg", "coffee.jpg")]
    return studio.create_project(files, label_config)


def task_of(studio: RealLabelStudio, project: int, photo: str) -> int:
    """Return the id of the task of a photo."""
    found = [each["id"] for each in studio.tasks(project) if photo in each["data"]["image"]]
    assert len(found) == 1
    return int(found[0])


def pushed_predictions(studio: RealLabelStudio, project: int) -> dict[int, dict[str, Any]]:
    """Wait for the predictions of two tasks, and return them by task."""
    wait_until(lambda: len(studio.predictions(project)) >= 2, what="two predictions are pushed")
    return {each["task"]: each for each in studio.predictions(project)}


def by_control(results: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {result["from_name"]: result for result in results}


def test_a_batch_is_pushed_with_the_class_its_box_and_its_mask(
    studio: RealLabelStudio, backend_url: str, project: int, label_config: str, extra_params: str
) -> None:
    backend = studio.connect(project, backend_url, extra_params)
    connected = studio.call("GET", f"ml/{backend}")
    assert (connected["state"], connected["error_message"]) == ("CO", None)
    assert studio.retrieve_predictions(project) == "Retrieved 2 predictions"
    prediction = pushed_predictions(studio, project)[task_of(studio, project, "cat.jpg")]
    assert prediction["model_version"] == connected["model_version"]
    check_results(prediction["result"], label_config)
    results = by_control(prediction["result"])
    assert results["class"]["value"] == {"choices": ["tiger cat"]}
    assert prediction["score"] == results["class"]["score"] > 0.3
    assert set(results) == {"class", "box", "heatmap"}


def test_a_drawn_box_is_answered_with_the_evidence_for_the_class_of_its_label(
    studio: RealLabelStudio, backend_url: str, project: int
) -> None:
    alias = {"alias": {"evidence": "tabby"}}
    backend = studio.connect(project, backend_url, alias)  # an object, as scripts send it
    drawn = {
        "id": "drawn",
        "from_name": "box",
        "to_name": "image",
        "type": "rectanglelabels",
        "value": {"x": 25, "y": 25, "width": 40, "height": 40, "rectanglelabels": ["evidence"]},
    }
    task = task_of(studio, project, "cat.jpg")
    answer = studio.annotate_interactively(backend, task, drawn=drawn)["data"]
    results = by_control(answer["result"])
    assert results["class"]["value"] == {"choices": ["tabby"]}
    assert results["class"]["score"] < 0.39
    assert set(results) == {"class", "box", "heatmap"}


def one_above_the_other(photos: Path) -> bytes:
    """Return an image of a cat above a cup of espresso."""
    image = Image.new("RGB", (SIDE_PX, SIDE_PX))
    for row, name in enumerate(("cat.jpg", "coffee.jpg")):
        photo = Image.open(photos / name).convert("RGB").resize((SIDE_PX, SIDE_PX // 2))
        image.paste(photo, (0, row * SIDE_PX // 2))
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=95)
    return encoded.getvalue()


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("keypointlabels", {"x": 50, "width": 0.5}),
        ("rectanglelabels", {"x": 30, "width": 40, "height": 20, "rotation": 0}),
    ],
)
def test_a_drawn_point_or_box_shows_the_class_of_what_is_there(
    studio: RealLabelStudio, backend_url: str, photos: Path, kind: str, value: dict[str, float]
) -> None:
    config = """<View><Image name="image" value="$image"/>
        <Choices name="class" toName="image">
          <Choice value="Egyptian cat"/><Choice value="espresso"/></Choices>
        <RectangleLabels name="rectanglelabels" toName="image"><Label value="this"/>
        </RectangleLabels>
        <KeyPointLabels name="keypointlabels" toName="image"><Label value="this"/>
        </KeyPointLabels></View>"""
    project = studio.create_project([("both.jpg", one_above_the_other(photos))], config)
    backend = studio.connect(project, backend_url, {"alias": {"this": "*"}})
    for y, label in ((15, "Egyptian cat"), (65, "espresso")):
        drawn = {
            "id": "drawn",
            "from_name": kind,
            "to_name": "image",
            "type": kind,
            "original_width": SIDE_PX,
            "original_height": SIDE_PX,
            "image_rotation": 0,
            "value": {**value, "y": y, kind: ["this"]},
        }
        (task,) = studio.tasks(project)
        answer = studio.annotate_interactively(backend, task["id"], drawn=drawn)["data"]
        results = by_control(answer["result"])
        assert results["class"]["value"] == {"choices": [label]}
        (box,) = decode_result(results["rectanglelabels"])
        assert box.box is not None
        middle = (box.box.y + box.box.height / 2) / SIDE_PX
        assert (middle > 0.5) == (label == "espresso")


@pytest.mark.parametrize(
    ("extra_params", "reason"),
    [
        ('{"model": "vgg17"}', "unknown model 'vgg17'; available: "),
        ('{"threshold": 2}', "The extra parameters of the ML backend: threshold"),
        ('{"alias": {"evidense": "*"}}', "the label config has no label 'evidense'"),
    ],
)
def test_label_studio_shows_what_is_wrong_with_the_extra_parameters(
    studio: RealLabelStudio, backend_url: str, project: int, extra_params: str, reason: str
) -> None:
    with pytest.raises(AssertionError, match="422 Client Error: ") as refused:
        studio.connect(project, backend_url, extra_params)
    assert reason in str(refused.value)


def wait_for_photo(page: Page) -> list[list[int]]:
    """Wait until the photo does not move; return its `AREAS` as (x, y, width, height) in pixels."""
    areas: list[Any] = [None]

    def is_at_rest() -> bool:
        areas.append(page.evaluate(AREAS))
        return areas[-1] is not None and areas[-5:] == 5 * areas[-1:]

    wait_until(is_at_rest, what="the photo is shown", limit_s=120)
    found: list[list[int]] = areas[-1]
    return found


def overlap_of_colored_pixels(
    screenshot: bytes, areas: list[list[int]], photo: Array, regions: Array
) -> float:
    """Return the IoU of the pixels that differ from the photo and of the regions, (H, W)."""
    (left, top, *size), (x, y, width, height) = areas

    def visible(image: Array) -> Array:
        full = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        return full[y - top : y - top + height, x - left : x - left + width]

    shown = np.asarray(Image.open(io.BytesIO(screenshot)).convert("RGB"), int)
    change = np.abs(shown[y : y + height, x : x + width] - visible(photo)).max(axis=2)
    colored, expected = change > COLORED, visible(regions) > 0
    return float((colored & expected).sum() / (colored | expected).sum())


def save_for_the_documentation(screenshot: bytes) -> None:
    image = Image.open(io.BytesIO(screenshot)).convert("RGB")
    SCREENSHOT.parent.mkdir(exist_ok=True)
    image.crop((LEFT_PX, 0, *image.size)).save(SCREENSHOT, quality=80)


def test_the_page_shows_the_class_and_the_box_and_the_mask_on_the_object(
    studio: RealLabelStudio,
    backend_url: str,
    project: int,
    extra_params: str,
    photos: Path,
    browser: Browser,
) -> None:
    studio.connect(project, backend_url, extra_params)
    studio.retrieve_predictions(project)
    task = task_of(studio, project, "cat.jpg")
    results = by_control(pushed_predictions(studio, project)[task]["result"])
    (box,), (mask,) = (decode_result(results[name]) for name in ("box", "heatmap"))
    assert box.box is not None
    regions = mask_of(mask).astype(np.uint8)
    top, left = round(box.box.y), round(box.box.x)
    regions[top : top + round(box.box.height), left : left + round(box.box.width)] = 1
    photo = np.asarray(Image.open(photos / "cat.jpg").convert("RGB"))
    url = f"{studio.url}/projects/{project}/data?task={task}"
    cookies = dict(studio.client.cookies)
    with opened_page(browser, Watch()) as page:  # Label Studio's pages load from other sites
        page.context.add_cookies(
            [{"name": name, "value": cookies[name], "url": url} for name in cookies]
        )
        page.goto(url, wait_until="commit")
        expect(page.locator("body")).to_contain_text("By Time", timeout=120_000)
        areas = wait_for_photo(page)
        screenshot = page.screenshot()
        ticked = page.evaluate(TICKED)
    save_for_the_documentation(screenshot)
    assert overlap_of_colored_pixels(screenshot, areas, photo, regions) > 0.97
    assert "tiger cat" in ticked
    assert "tabby" not in ticked
