"""Label configs, extra parameters, the classes of labels, and model versions."""

import json

import numpy as np
import pytest
from pydantic import JsonValue

from label_studio_rules import recording
from seewhy.annotations.annotation import ImageSize
from seewhy.annotations.label_studio.results import ResultType
from seewhy.catalog.catalog import Catalog
from seewhy.errors import InvalidRequest, RequestTooLarge, UnknownClass
from seewhy.schemas.labels import Labels
from seewhy.settings import load
from seewhy_api.label_studio.annotated_shapes import AnnotatedShapes
from seewhy_api.label_studio.class_mapping import ClassMapping, require_labels
from seewhy_api.label_studio.label_config import MAX_CHARACTERS, parse_label_config
from seewhy_api.label_studio.model_version import model_version
from seewhy_api.label_studio.options import BackendOptions, parse_options
from seewhy_api.label_studio.project_view import view_project

RECORDED = recording(3)["body"]["schema"]
CLASSES = Labels(["tabby", "tiger cat", "crane", "crane", "Egyptian_cat"])


def config_with(control: str) -> str:
    return f'<View><Image name="image" value="$photo"/>{control}</View>'


def mapping(control: str, **options: object) -> ClassMapping:
    config = parse_label_config(config_with(control))
    return ClassMapping(config, BackendOptions.model_validate(options), CLASSES)


def test_a_recorded_config_has_its_image_and_controls() -> None:
    config = parse_label_config(RECORDED)
    assert config.image_field == "image"
    assert [(each.tag.from_name, each.tag.type) for each in config.controls] == [
        ("cls", ResultType.CHOICES),
        ("box", ResultType.RECTANGLE),
        ("brush", ResultType.BRUSH),
        ("kp", ResultType.KEY_POINT),
    ]
    assert {each.tag.to_name for each in config.controls} == {"image"}
    assert [label.text for label in config.controls[0].labels] == ["tumor", "no tumor"]


def test_an_alias_replaces_the_value_in_results_and_both_name_a_class() -> None:
    control = '<Choices name="c" toName="image"><Choice value="tabby" alias="t1"/></Choices>'
    config = parse_label_config(config_with(control))
    (label,) = config.controls[0].labels
    assert (label.text, label.names) == ("t1", ("t1", "tabby"))
    assert mapping(control).label_of(config.controls[0], 0) == "t1"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not valid XML: no element found"),
        ("<View>", "is not valid XML"),
        ("<View/>", "has no control tag for an image"),
        ('<View><Text name="t" value="$t"/><Choices name="c" toName="t"/></View>', "no control"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><View>&b;</View>', "declares a document type"),
        ('<!DOCTYPE a SYSTEM "http://localhost/x"><View/>', "declares a document type"),
        ("<View>" * 65 + "</View>" * 65, "nested more than 64 levels"),
        (" " * (MAX_CHARACTERS + 1), "has more than 1,000,000 characters"),
        (config_with("\ud800"), "has half of a character"),
        (
            '<View><Image name="i" value="x.png"/><Choices name="c" toName="i"/></View>',
            "has an Image tag whose value is 'x.png'",
        ),
    ],
)
def test_a_config_that_cannot_be_used_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_label_config(text)
    assert str(refused.value).startswith("The label config ")
    assert reason in str(refused.value)


def test_labels_find_their_classes_by_folded_names_aliases_and_indices() -> None:
    found = mapping(
        '<RectangleLabels name="box" toName="image"><Label value="Tiger_Cat"/>'
        '<Label value="egyptian cat"/><Label value="heron"/><Label value="zebra"/>'
        "</RectangleLabels>",
        alias={"heron": [2, "3"]},
    )
    assert found.class_of("box", "Tiger_Cat") == 1
    assert found.class_of("box", "egyptian cat") == 4
    assert found.class_of("box", "heron") == 2
    assert found.class_of("box", "zebra") is None
    assert found.class_of("other", "Tiger_Cat") is None
    assert found.unmapped == ("zebra",)


def test_a_label_for_every_class_shows_those_that_no_other_label_names() -> None:
    control = (
        '<BrushLabels name="b" toName="image"><Label value="evidence"/>'
        '<Label value="tabby"/></BrushLabels>'
    )
    found = mapping(control, alias={"evidence": "*"})
    (brush,) = parse_label_config(config_with(control)).controls
    assert [found.label_of(brush, index) for index in (0, 1)] == ["tabby", "evidence"]
    assert found.unmapped == ()
    assert mapping(control).label_of(brush, 1) is None


def test_an_alias_for_an_unknown_class_is_refused_by_name() -> None:
    control = '<Choices name="c" toName="image"><Choice value="a"/></Choices>'
    with pytest.raises(UnknownClass, match=r"alias\.a: the model has no class 'tigger cat'"):
        mapping(control, alias={"a": "tigger cat"})
    control = '<Choices name="c" toName="image"><Choice value="a" alias="b"/></Choices>'
    with pytest.raises(UnknownClass, match=r"^alias\.a: "):
        mapping(control, alias={"a": "tigger cat"})


def test_an_alias_of_no_label_is_refused_by_name() -> None:
    control = '<Choices name="c" toName="image"><Choice value="a" alias="b"/></Choices>'
    config = parse_label_config(config_with(control))
    require_labels(config, BackendOptions(alias={"a": "*", "b": 1}))
    with pytest.raises(InvalidRequest, match=r"^alias: the label config has no label 'c'\.$"):
        require_labels(config, BackendOptions(alias={"c": "*"}))


@pytest.mark.parametrize("nothing", [None, "", "  \n", {}])
def test_without_extra_parameters_the_options_have_their_defaults(
    nothing: str | dict[str, JsonValue] | None,
) -> None:
    assert parse_options(nothing) == BackendOptions()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"k": 1}', "k: Extra inputs are not permitted"),
        ('{"wait_s": 31}', "wait_s: Input should be less than or equal to 30"),
        ('{"method": "gradcam", "method": "xgradcam"}', "has the name 'method' twice"),
        ("--model vgg16", "Invalid JSON"),
    ],
)
def test_mistakes_in_extra_parameters_are_named(text: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match="The extra parameters of the ML backend") as refused:
        parse_options(text)
    assert reason in str(refused.value)


def test_extra_parameters_may_be_an_object_or_its_text() -> None:
    given: dict[str, JsonValue] = {"threshold": "p90", "alias": {"evidence": ["tabby", 282]}}
    assert parse_options(given) == parse_options(json.dumps(given)) != BackendOptions()


@pytest.mark.parametrize("alias", [{"a": "x" * 65_536}, {str(n): 1 for n in range(2_500)}])
def test_extra_parameters_that_are_too_large_are_refused_in_their_own_words(
    alias: dict[str, JsonValue],
) -> None:
    for given in ({"alias": alias}, json.dumps({"alias": alias})):
        with pytest.raises(RequestTooLarge) as refused:
            parse_options(given)
        assert str(refused.value) == (
            "The extra parameters have more than 65,536 bytes or 2,500 values."
        )


def test_the_version_changes_with_everything_that_predictions_depend_on() -> None:
    catalog = Catalog.load(load({}))
    lite, vgg = catalog.get("efficientnet-lite0"), catalog.get("vgg16")
    options = BackendOptions()
    same = model_version(lite, options, RECORDED)
    assert same.startswith("efficientnet-lite0 gradcam 0.15 ")
    assert model_version(lite, BackendOptions(wait_s=3.0), RECORDED) == same
    changed = [
        model_version(vgg, options, RECORDED),
        model_version(lite, BackendOptions(method="xgradcam"), RECORDED),
        model_version(lite, BackendOptions(layer="top_conv"), RECORDED),
        model_version(lite, BackendOptions(threshold=0.5), RECORDED),
        model_version(lite, BackendOptions(alias={"lesion": "*"}), RECORDED),
        model_version(lite, options, RECORDED + " "),
    ]
    assert len({same, *changed}) == 7


def ellipse(**value: object) -> dict[str, JsonValue]:
    return {
        "from_name": "e",
        "to_name": "image",
        "type": "ellipselabels",
        "original_width": 40,
        "original_height": 20,
        "image_rotation": 0,
        "value": {"x": 50, "y": 50, **value, "ellipselabels": ["tabby"]},  # type: ignore[dict-item]
    }


def test_an_ellipse_names_the_class_of_its_label_and_marks_its_own_pixels() -> None:
    control = '<EllipseLabels name="e" toName="image"><Label value="tabby"/></EllipseLabels>'
    spec = Catalog.load(load({})).get("efficientnet-lite0")
    view = view_project(config_with(control), BackendOptions(), spec=spec, version="")
    wide = ellipse(radiusX=40, radiusY=30, rotation=0)
    index = spec.labels.index_of("tabby")
    for result in (wide, ellipse(radiusX=15, radiusY=80, rotation=90)):  # the same, turned
        shapes = AnnotatedShapes([result], view)
        assert shapes.class_index == index
        marked = shapes.pixels(index, ImageSize(40, 20))
        rows, columns = np.nonzero(marked)
        assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 15, 4, 35)
        assert marked.sum() == pytest.approx(np.pi * 16 * 6, rel=0.03)
