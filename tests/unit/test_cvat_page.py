"""docs/cvat.md and infra/cvat match the code and the command line of cvat-cli."""

import argparse
import json
import re
import shlex
from pathlib import Path

import pytest
import yaml
from cvat_cli._internal.commands_all import COMMANDS
from cvat_cli._internal.common import configure_common_arguments

from seewhy.annotations.annotation import ImageSize
from seewhy.annotations.cvat.detections import decode_detection
from seewhy.annotations.shapes import mask_of, ring_area
from seewhy.catalog.catalog import Catalog
from seewhy.cvat.function import MAX_PNG_BYTES
from seewhy.cvat.nuclio import NuclioFunction
from seewhy.cvat.options import DetectorOptions, FunctionOptions
from seewhy.settings import load

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "cvat.md").read_text("utf-8")
COMMAND_LINES = re.findall(r"^ *\$ cvat-cli (.*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_cvat_cli_understands_each_command_and_the_function_its_parameters(line: str) -> None:
    parser = argparse.ArgumentParser()
    configure_common_arguments(parser)
    COMMANDS.configure_parser(parser)
    parsed = parser.parse_args(shlex.split(line))
    if getattr(parsed, "function_module", None):
        assert parsed.function_module == "seewhy.cvat.function"
        assert FunctionOptions.parse(parsed.function_parameters).labels


def test_the_page_has_commands() -> None:
    assert len(COMMAND_LINES) == 4


def test_the_page_lists_every_parameter_with_its_default() -> None:
    section = PAGE.partition("## Parameters")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", section, re.MULTILINE)
    assert [name for name, _ in rows] == list(FunctionOptions.model_fields)
    assert list(FunctionOptions.model_fields)[-3:] == [
        name for name in FunctionOptions.model_fields if name not in DetectorOptions.model_fields
    ]
    options = FunctionOptions.parse({})
    for name, default in rows:
        value = getattr(options, name)
        if isinstance(value, str | int | float):
            assert default.strip("`") == str(value).lower().removesuffix(".0"), name
    assert f"more than {MAX_PNG_BYTES // 1_000_000} MB as PNG" in PAGE


def test_the_function_folder_is_valid_and_its_labels_stand_for_classes() -> None:
    document = yaml.safe_load((ROOT / "infra" / "cvat" / "function.yaml").read_text("utf-8"))
    (variable,) = document["spec"]["env"]
    assert variable["name"] == "OPTIONS"
    spec = document["metadata"]["annotations"]["spec"]
    NuclioFunction(spec, variable["value"])
    options = json.loads(variable["value"])
    labels = Catalog.load(load({})).get(options["model"]).labels
    names = [label["name"] for label in json.loads(spec)]
    assert all(name in options["alias"] or name in set(labels) for name in names)
    assert document["spec"]["handler"] == "main:handler"
    assert options["timeout_s"] < int(document["spec"]["eventTimeout"].removesuffix("s"))


def test_the_example_of_an_answer_is_a_mask_and_its_outline() -> None:
    (text,) = re.findall(r"```json\n(\[.*?)```", PAGE, re.DOTALL)
    (detection,) = json.loads(text)
    size = ImageSize(40, 30)
    mask = mask_of(decode_detection(detection, size))
    outline = decode_detection(detection | {"type": "polygon"}, size)
    assert ring_area(outline.rings[0]) == mask.sum() == 3
