"""Storing signed maps, assessing their health, and reading evidence from them."""

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from seewhy.imaging.maps import decode_npy, encode_npy, evidence, map_verdict
from seewhy.schemas.result import Verdict

MAPS = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=3, max_dims=3, max_side=5),
    elements=st.floats(width=32),
)
SIGNED = np.array([[-2, 0, 1], [3, -4, 0]], np.float32)


def square(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(2, 2)


@given(maps=MAPS)
def test_maps_round_trip_bit_for_bit(maps: np.ndarray) -> None:
    decoded = decode_npy(encode_npy(maps))
    assert decoded.dtype == np.float32
    assert decoded.shape == maps.shape
    assert decoded.tobytes() == maps.tobytes()


def test_numpy_reads_the_encoded_file() -> None:
    maps = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert np.array_equal(np.load(BytesIO(encode_npy(maps)), allow_pickle=False), maps)


@pytest.mark.parametrize("maps", [SIGNED, SIGNED[np.newaxis].astype(np.float64)])
def test_only_three_dimensional_float32_is_encoded(maps: np.ndarray) -> None:
    with pytest.raises(ValueError, match="float32"):
        encode_npy(maps)


def saved(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    file = BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"PK\x03\x04",
        b"\x93NUMPY\x01\x00",
        saved(np.array([{"a": 1}], object), allow_pickle=True),
        saved(SIGNED),
        saved(np.zeros((1, 2, 2))),
        saved(np.asfortranarray(np.zeros((2, 3, 4), np.float32))),
        encode_npy(SIGNED[np.newaxis])[:-1],
        encode_npy(SIGNED[np.newaxis]) + b"more",
        encode_npy(SIGNED[np.newaxis]).replace(b"(1, 2, 3)", b"(9999999999, 9999999999, 3)"),
        encode_npy(SIGNED[np.newaxis]).replace(b"(1, 2, 3)", b"(-1, 2, 3)"),
        encode_npy(SIGNED[np.newaxis]).replace(b"(1, 2, 3)", b"(1, 2, 3 "),
    ],
)
def test_other_files_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"npy|size|shape"):
        decode_npy(body)


@given(maps=MAPS, position=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_a_damaged_file_raises_value_error(maps: np.ndarray, position: float, value: int) -> None:
    body = bytearray(encode_npy(maps))
    body[int(position * len(body))] = value
    try:
        assert decode_npy(bytes(body)).ndim == 3
    except ValueError:
        return


@pytest.mark.parametrize(
    ("signed", "gradient_peak", "expected"),
    [
        (square(0, 1, -1, 2), 1.0, Verdict.OK),
        (square(0, 1e-30, 0, 0), 1e-30, Verdict.OK),
        (square(-3, -1, -2, 0), 1.0, Verdict.ALL_NEGATIVE),
        (square(2, 2, 2, 2), 1.0, Verdict.CONSTANT),
        (square(2, 2, 2, np.nextafter(np.float32(2), np.float32(3))), 1.0, Verdict.CONSTANT),
        (square(-2, -2, -2, -2), 1.0, Verdict.CONSTANT),
        (square(0, 0, 0, 0), 1.0, Verdict.CONSTANT),
        (square(0, 0, 0, 0), 0.0, Verdict.ZERO_GRADIENT),
        (square(-3, -1, -2, 0), 0.0, Verdict.ZERO_GRADIENT),
        (square(0, 1, np.nan, 2), 0.0, Verdict.NOT_FINITE),
        (square(0, 1, -np.inf, 2), 1.0, Verdict.NOT_FINITE),
        (square(0, 1, -1, 2), float("inf"), Verdict.NOT_FINITE),
        (square(0, 1, -1, 2), float("nan"), Verdict.NOT_FINITE),
    ],
)
def test_the_most_severe_problem_is_the_verdict(
    signed: np.ndarray, gradient_peak: float, expected: Verdict
) -> None:
    assert map_verdict(signed, gradient_peak=gradient_peak) is expected


def test_evidence_depends_on_polarity() -> None:
    assert evidence(SIGNED, polarity="positive").tolist() == [[0, 0, 1], [3, 0, 0]]
    assert evidence(SIGNED, polarity="negative").tolist() == [[2, 0, 0], [0, 4, 0]]
    assert evidence(SIGNED, polarity="signed").tolist() == SIGNED.tolist()


@given(maps=MAPS)
def test_evidence_for_minus_evidence_decodedst_is_the_signed_evidence(maps: np.ndarray) -> None:
    positive = evidence(maps, polarity="positive")
    negative = evidence(maps, polarity="negative")
    assert np.array_equal(positive - negative, evidence(maps, polarity="signed"))
    assert np.isfinite(positive).all()
    assert np.isfinite(negative).all()
