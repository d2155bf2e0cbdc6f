"""Packed texts of ended jobs: every text comes back, and stored ones stay readable."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.ledger.redis.client.packing import pack, unpack

FORMATS = Path(__file__).parent / "formats"
STORED = "z1:I1ysKGEk0rz8ElBuObxSqRYA"
"""Packed by the first version."""


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_packed_text_comes_back(text: str) -> None:
    assert unpack(pack(text)) == text


@given(st.text(st.characters(exclude_categories=["Cs"])).filter(lambda t: not t.startswith("z1:")))
def test_a_text_that_was_not_packed_stays_as_it_is(text: str) -> None:
    assert unpack(text) == text


def test_a_text_packed_by_the_first_version_is_read() -> None:
    """The dictionary is part of the format: a changed one needs another prefix."""
    assert unpack(STORED) == '{"model":"vgg16","method":"gradcam","verdict":"ok","note":"é"}'


@pytest.mark.parametrize("name", ["job", "result"])
def test_a_packed_document_takes_less_than_half(name: str) -> None:
    text = json.dumps(
        json.loads((FORMATS / f"{name}.json").read_text("utf-8")), separators=(",", ":")
    )
    assert len(pack(text)) < len(text) / 2
