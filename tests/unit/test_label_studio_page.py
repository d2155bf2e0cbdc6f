"""docs/label-studio.md matches the code."""

import re

from label_studio_page import TEXT as PAGE
from label_studio_page import block
from seewhy.catalog.catalog import Catalog
from seewhy.schemas.agreement import MAX_EXAMINED
from seewhy.settings import load
from seewhy_api.label_studio import annotated_shapes, event_inbox, label_config, requests
from seewhy_api.label_studio.agreements import MAX_OF_TASK
from seewhy_api.label_studio.class_mapping import ClassMapping
from seewhy_api.label_studio.label_config import parse_label_config
from seewhy_api.label_studio.options import MAX_WAIT_S, BackendOptions, parse_options
from seewhy_api.label_studio.predictor import BATCH_WAIT_S
from seewhy_api.label_studio.task_scores import AGREEMENT_VERSION
from seewhy_api.routes.agreement_operations import MAX_LISTED


def test_each_label_of_the_example_stands_for_a_class() -> None:
    options = parse_options(block("json"))
    labels = Catalog.load(load({})).get(options.model or "").labels
    mapping = ClassMapping(parse_label_config(block("xml")), options, labels)
    assert mapping.unmapped == ()
    assert mapping.class_of("class", "tiger cat") == 282


def test_the_page_lists_every_extra_parameter() -> None:
    section = PAGE.partition("## Extra parameters")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == list(BackendOptions.model_fields)
    assert f"0 to {MAX_WAIT_S:g} | {BackendOptions().wait_s:g} |" in section


def test_the_page_states_the_limits_of_agreements() -> None:
    assert f"At most {event_inbox.MAX_WAITING:,} events of a tenant" in PAGE
    assert f"at most {event_inbox.MAX_EVENT_BYTES:,} bytes" in PAGE
    assert f"at most {annotated_shapes.MAX_SHAPES} shapes" in PAGE
    assert f"A task has at most {MAX_OF_TASK:,} agreements" in PAGE
    assert f"at most {MAX_EXAMINED:,} agreements of a project are ranked" in PAGE
    assert f"`--limit` is at most {MAX_LISTED}" in PAGE
    assert f"`{AGREEMENT_VERSION}`" in PAGE


def test_the_page_states_the_limits() -> None:
    assert f"waits for several tasks, {BATCH_WAIT_S:g} s together" in PAGE
    assert f"images were read, within {BATCH_WAIT_S:g} s" in PAGE
    assert f"At most {requests.MAX_TASKS:,} tasks" in PAGE
    limits = f"{label_config.MAX_CHARACTERS:,} characters and {label_config.MAX_LABELS:,} labels"
    assert limits in PAGE
