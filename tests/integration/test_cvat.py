"""CVAT's functions ask a real API with a stub worker; a stand-in for CVAT's server asks them.

cvat-cli, its agent and cvat-sdk are the real ones. The explainer of the stub gives the class i the
probability 0.5**i, so that the first class of the model, tench, is the most probable.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cvat_sdk.masks import decode_mask
from PIL import Image

from cvat.main import handler, init_context
from images import encoded, gradient
from seewhy.annotations.annotation import ImageSize
from seewhy.annotations.cvat.detections import decode_detection
from seewhy.annotations.shapes import flat_ring, mask_of
from seewhy.client import Client, Explanation
from seewhy.cvat.detector import Detector
from seewhy.cvat.function import DetectionFunction
from seewhy.cvat.options import FunctionOptions
from seewhy.schemas.regions import Point
from servers.cvat import TASK_ID, CvatServer, running_cvat
from servers.process_cluster import running_api
from servers.valkey import RedisServer

IMAGES = [gradient(40, 24), gradient(40, 24).transpose(Image.Transpose.FLIP_TOP_BOTTOM)]
FILES = [encoded(image, "PNG") for image in IMAGES]
FUNCTION = ("--function-module", "seewhy.cvat.function")


@pytest.fixture(scope="module")
def url(valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_api(valkey, tmp_path_factory.mktemp("cvat")) as cluster:
        cluster.start_stub_worker()
        yield cluster.url


@pytest.fixture(scope="module")
def explanations(url: str) -> list[Explanation]:
    with Client(url) as client:
        return [client.explain(image) for image in FILES]


@pytest.fixture
def cvat() -> Iterator[CvatServer]:
    with running_cvat(CvatServer(FILES, [("evidence", "any")])) as server:
        yield server


def cvat_cli(cvat: CvatServer, tmp_path: Path, *arguments: str) -> Any:
    """Run `cvat-cli` and return what has ended."""
    environment = {"CVAT_ACCESS_TOKEN": "t", "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    return subprocess.run(
        [sys.executable, "-m", "cvat_cli", "--server-host", cvat.url, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def parameters(url: str, **values: str) -> list[str]:
    """Return `-p` options."""
    given = {"seewhy_url": f"str:{url}", "labels": "str:evidence"} | values
    given.setdefault("alias", 'str:{"evidence": "*"}')
    return [part for name, value in given.items() for part in ("-p", f"{name}={value}")]


def annotate(cvat: CvatServer, tmp_path: Path, *arguments: str) -> Any:
    """Run `cvat-cli task auto-annotate` with the function."""
    return cvat_cli(cvat, tmp_path, "task", "auto-annotate", str(TASK_ID), *FUNCTION, *arguments)


def test_auto_annotate_stores_the_mask_of_each_frame(
    url: str, cvat: CvatServer, explanations: list[Explanation], tmp_path: Path
) -> None:
    run = annotate(cvat, tmp_path, *parameters(url, threshold="float:0.3"))
    assert run.returncode == 0, run.stderr
    assert [(shape["frame"], shape["type"], shape["label_id"]) for shape in cvat.stored] == [
        (0, "mask", 100),
        (1, "mask", 100),
    ]
    with Client(url) as client:
        expected = [client.mask(one, threshold=0.3) for one in explanations]
    for shape, mask in zip(cvat.stored, expected, strict=True):
        found = decode_mask(shape["points"], image_width=40, image_height=24)
        assert (found == mask).all()
    assert cvat.stored[0]["points"] != cvat.stored[1]["points"]


def test_masks_become_polygons_and_classes_below_the_confidence_are_left_out(
    url: str, cvat: CvatServer, explanations: list[Explanation], tmp_path: Path
) -> None:
    cvat.labels = [("TENCH", "polygon"), ("evidence", "polygon")]
    options = parameters(url, labels="str:TENCH, evidence", top="int:3")
    run = annotate(cvat, tmp_path, *options, "--conv-mask-to-poly", "--conf-threshold", "0.4")
    assert run.returncode == 0, run.stderr
    found = [(shape["frame"], shape["label_id"], shape["score"]) for shape in cvat.stored]
    assert found == [(0, 100, 1.0), (0, 101, 0.5), (1, 100, 1.0), (1, 101, 0.5)]
    assert {shape["type"] for shape in cvat.stored} == {"polygon"}
    with Client(url) as client:
        rings = [client.regions(one).regions[0].contour for one in explanations]
    assert [shape["points"] for shape in cvat.stored[::2]] == [
        flat_ring([Point(x=x, y=y) for x, y in ring]) for ring in rings
    ]


def test_an_agent_answers_requests_of_the_server(
    url: str, cvat: CvatServer, explanations: list[Explanation], tmp_path: Path
) -> None:
    options = [*FUNCTION, *parameters(url, shape="str:rectangle")]
    created = cvat_cli(cvat, tmp_path, "function", "create-native", "seewhy", *options)
    assert created.returncode == 0, created.stderr
    assert cvat.functions[0]["kind"] == "detector"
    assert cvat.functions[0]["labels_v2"] == [
        {"name": "evidence", "attributes": [], "type": "rectangle"}
    ]
    request = {
        "type": "annotate_task", "task": TASK_ID, "threshold": None, "conv_mask_to_poly": False,
        "mapping": {"evidence": {"name": "evidence"}},
    }  # fmt: skip
    cvat.waiting += [request, request | {"threshold": 0.9}]
    function_id = created.stdout.strip()
    run = cvat_cli(cvat, tmp_path, "function", "run-agent", function_id, *options, "--burst")
    assert (run.returncode, cvat.failed) == (0, []), run.stderr
    with Client(url) as client:
        boxes = [client.regions(one).regions[0].box for one in explanations]
    for completed in cvat.completed:
        assert [shape["points"] for shape in completed["annotations"]["shapes"]] == [
            [box.x, box.y, box.x + box.width, box.y + box.height] for box in boxes
        ]
    assert len(cvat.completed) == 2


def test_a_frame_that_is_refused_ends_the_run_with_the_reason_or_is_skipped(
    url: str, tmp_path: Path
) -> None:
    wide = encoded(gradient(20_000, 1), "PNG")  # wider than SEEWHY_MAX_SIDE_PX
    with running_cvat(CvatServer([wide, FILES[0]], [("evidence", "any")])) as cvat:
        run = annotate(cvat, tmp_path, *parameters(url))
        assert (run.returncode, cvat.stored) == (1, [])
        assert "BadFunctionError: 0.png: the image has 20000 by 1 pixels" in run.stderr
        run = annotate(cvat, tmp_path, *parameters(url, skip_failed="bool:true"))
    assert run.returncode == 0, run.stderr
    assert "0.png has no annotations: the image has 20000 by 1 pixels" in run.stderr
    assert [shape["frame"] for shape in cvat.stored] == [1]


def test_labels_of_no_class_are_reported_and_mistakes_are_refused(
    url: str, cvat: CvatServer, tmp_path: Path
) -> None:
    cvat.labels = [("evidence", "any"), ("zebre", "any")]
    run = annotate(cvat, tmp_path, *parameters(url, labels="str:zebre"))
    assert run.returncode == 0, run.stderr
    assert "has no class for these labels, so they are never used: zebre" in run.stderr
    run = annotate(cvat, tmp_path, *parameters(url, alias='str:{"a": "tigger cat"}'))
    reason = "alias.a: the model has no class 'tigger cat'; similar names: tiger cat, "
    assert reason in run.stderr.splitlines()[-1]


def test_without_labels_the_function_offers_the_classes_and_the_aliases(url: str) -> None:
    options = FunctionOptions.parse({"alias": {"evidence": "*"}})
    with Client(url) as client:
        function = DetectionFunction(Detector(client, options), options)
    names = [label.name for label in function.spec.labels]
    assert (names[:2], len(names)) == (["evidence", "tench"], 1001)


@pytest.fixture
def context(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What nuclio passes to a handler, as far as it is used."""
    found = SimpleNamespace(user_data=SimpleNamespace(), Response=SimpleNamespace)
    monkeypatch.setenv("OPTIONS", json.dumps({"seewhy_url": url, "alias": {"evidence": "*"}}))
    init_context(found)
    yield found
    if detector := vars(found.user_data.function).get("_detector"):
        detector.close()


def call(context: Any, body: object) -> tuple[int, Any]:
    """Return the status and the body of the answer to a request of CVAT's server."""
    response = handler(context, SimpleNamespace(body=body))
    assert (response.content_type, response.headers) == ("application/json", {})
    return response.status_code, json.loads(response.body)


def test_the_serverless_function_answers_with_the_mask_of_a_frame(
    url: str, context: Any, explanations: list[Explanation]
) -> None:
    body = {"image": base64.b64encode(FILES[0]).decode(), "threshold": 0.4}
    status, detections = call(context, body)
    (detection,) = detections
    assert (status, detection["label"], detection["type"]) == (200, "evidence", "mask")
    assert detection["confidence"] == "1.0"
    with Client(url) as client:
        expected, found = client.mask(explanations[0]), client.regions(explanations[0])
    decoded = decode_detection(detection, ImageSize(40, 24))
    assert (mask_of(decoded) == expected).all()
    ring = [Point(x=x, y=y) for x, y in found.regions[0].contour]
    assert detection["points"] == flat_ring(ring)
    assert call(context, json.dumps(body).encode()) == (200, detections)


def test_the_serverless_function_answers_mistakes_with_a_sentence(context: Any) -> None:
    for body in (None, b"", {"image": 1}, {"image": "?"}, {"image": "", "threshold": 2}):
        status, answer = call(context, body)
        assert (status, answer["detail"][:31]) == (400, "The request must have `image`, ")
    text = base64.b64encode(b"text").decode()
    status, answer = call(context, {"image": text})
    assert (status, list(answer)) == (415, ["detail"])


def test_the_serverless_function_starts_before_the_service(
    context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seewhy.cvat.detector.Client", partial(Client, attempts=1))
    monkeypatch.setenv("OPTIONS", '{"seewhy_url": "http://127.0.0.1:1"}')
    init_context(context)
    status, answer = call(context, {"image": base64.b64encode(FILES[0]).decode()})
    assert (status, list(answer)) == (502, ["detail"])
