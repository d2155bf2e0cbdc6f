"""The ML backend of Label Studio: bodies, label configs, parameters and names of projects."""

import json
from collections.abc import Iterable
from typing import Any

from bad_inputs.case import JSON, SECRET, Case
from seewhy_api.routes.label_studio_operations import ANNOTATION_EVENT, LABEL_CONFIG

SETUP, PREDICT, WEBHOOK = (f"/label-studio/{name}" for name in ("setup", "predict", "webhook"))
NOT_JSON = (b"", b"{", b"\xff\xfe{}", b'{"a":' + b"[" * 5_000, b'{"a":' + b"9" * 5_000 + b"}")
MANY_LABELS = '<Choice value="a"/>' * 20_001
TASKS = [{"id": 1, "data": {"image": "s3://none/cat.jpg"}}]
NO_OBJECTS: tuple[Any, ...] = (None, [], 1, "text")
NO_TASKS: dict[str, Any] = {
    "none": [],
    "10,001": [{"data": {}}] * 10_001,
    "a number": 1,
    "no data": [{"id": 1}],
    "an id that is text": [{"id": "1", "data": {}}],
}
IMAGES: tuple[Any, ...] = (
    *("", 1, None, [], "file:///etc/passwd", "/etc/passwd", "/data/../api/users", "x" * 3_000),
    *("http://169.254.169.254/latest", "s3://seewhy/keys/a.json", "/data/upload/%00"),
)


def case(name: str, path: str, body: Any, *statuses: int) -> Case:
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = (("Authorization", SECRET),)
    return Case(f"{path}: {name}", set(statuses), encoded, JSON, path=path, headers=headers)


def label_studio() -> Iterable[Case]:
    for path in (SETUP, PREDICT, WEBHOOK):
        for body in NOT_JSON:
            yield case(f"{body[:20]!r}", path, body, 400)
        for value in NO_OBJECTS:
            yield case(repr(value), path, value, 422)
        yield case("too many values", path, b'{"a": [' + b"0," * 1_000_000 + b"0]}", 413)
        yield case("no field", path, {}, 422)
        yield case("half a character", path, {"project": "\ud800"}, 400)
    yield from _setups()
    yield from _predictions()
    yield from _events()
    for project in ("x" * 5_000, "%00", "..", "%2e%2e", "a%2Fb", "%ff", "-1", "9" * 30):
        path = f"/label-studio/projects/{project}/agreements"
        yield Case(f"project {project[:20]}", {200, 400, 404}, method="GET", path=path)
        yield Case("limit", {422}, method="GET", path=path.replace(project, "4") + "?limit=201")


def _setups() -> Iterable[Case]:
    entities = "".join(f'<!ENTITY e{n} "&e{n - 1};&e{n - 1};">' for n in range(1, 30))
    for name, config in (
        ("no XML", "text"),
        ("cut", LABEL_CONFIG[:-5]),
        ("a bomb", f'<!DOCTYPE v [<!ENTITY e0 "x">{entities}]><View>&e29;</View>'),
        ("a file", '<!DOCTYPE v [<!ENTITY e SYSTEM "file:///etc/passwd">]><View>&e;</View>'),
        ("deep", "<View>" * 70 + "</View>" * 70),
        ("long", "<View>" + " " * 1_000_001 + "</View>"),
        ("many labels", LABEL_CONFIG.replace("<Choice ", MANY_LABELS + "<Choice ")),
        ("control characters", LABEL_CONFIG.replace("tabby", "a\x00b")),
        ("no field", LABEL_CONFIG.replace("$image", "y" * 500)),
    ):  # fmt: skip
        yield case(f"label config: {name}", SETUP, {"project": "1", "schema": config}, 422)
        yield case(f"label config: {name}", PREDICT, {"tasks": TASKS, "label_config": config}, 422)
    for name, parameters, status in (
        ("no JSON", "{", 422),
        ("a list", "[]", 422),
        ("unknown", {"x" * 300: 1}, 422),
        ("a model", {"model": "m" * 300}, 422),
        ("a layer", {"layer": "../" * 100}, 422),
        ("not finite", '{"wait_s": 1e999}', 422),
        ("a threshold", {"threshold": "p101"}, 422),
        ("an alias of no label", {"alias": {"z" * 300: "tabby"}}, 422),
        ("an unknown class", {"alias": {"tabby": "c" * 300}}, 422),
        ("too large", {"alias": {"a": "b" * 65_536}}, 413),
    ):
        body = {"project": "1", "schema": LABEL_CONFIG, "extra_params": parameters}
        yield case(f"parameters: {name}", SETUP, body, status)
    for token in ("a\r\nX: y", "\x00", "ü", "t" * 1_001):
        body = {"project": "1", "schema": LABEL_CONFIG, "access_token": token}
        yield case(f"token {token[:10]!r}", SETUP, body, 422)
    yield case("long name", SETUP, {"project": "p" * 256, "schema": LABEL_CONFIG}, 422)


def _predictions() -> Iterable[Case]:
    config = {"label_config": LABEL_CONFIG}
    for name, tasks in NO_TASKS.items():
        yield case(f"tasks: {name}", PREDICT, {"tasks": tasks, **config}, 422)
    for image in IMAGES:
        tasks = [{"id": 1, "data": {"image": image}}]
        yield case(f"image {str(image)[:20]!r}", PREDICT, {"tasks": tasks, **config}, 200)
    for context in (1, {"result": 1}, {"result": [1]}):
        body = {"tasks": TASKS, **config, "params": {"context": context}}
        yield case(f"context {context}", PREDICT, body, 422)
    drawn = {"result": [{"type": "x" * 300, "value": {"x" * 300: [1]}, "from_name": "y" * 300}]}
    yield case("drawn", PREDICT, {"tasks": TASKS, **config, "params": {"context": drawn}}, 200)


def _events() -> Iterable[Case]:
    annotation, project = ANNOTATION_EVENT["annotation"], ANNOTATION_EVENT["project"]
    for name, changes in (
        ("no annotation", {"annotation": None}),
        ("a negative id", {"annotation": {**annotation, "id": -1}}),
        ("a huge id", {"annotation": {**annotation, "id": 2**64}}),
        ("no time", {"annotation": {**annotation, "updated_at": "now"}}),
        ("a time without a zone", {"annotation": {**annotation, "updated_at": "2026-11-22"}}),
        ("results", {"annotation": {**annotation, "result": [1]}}),
        ("a project", {"project": {**project, "created_at": "9" * 300}}),
        ("a task", {"task": {"data": {}}}),
    ):
        yield case(f"annotation: {name}", WEBHOOK, {**ANNOTATION_EVENT, **changes}, 422)
    yield case("another action", WEBHOOK, {"action": "a" * 255}, 200)
    yield case("a long action", WEBHOOK, {"action": "a" * 256}, 422)
    for name, annotations in (("10,001", [{"id": 1}] * 10_001), ("text", "1"), ("ids", [1])):
        body = {"action": "ANNOTATIONS_DELETED", "annotations": annotations, "project": project}
        yield case(f"deletion: {name}", WEBHOOK, body, 422)
