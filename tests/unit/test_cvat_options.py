"""The parameters of CVAT's functions, and the image that is sent for a frame."""

import io

import numpy as np
import pytest
from PIL import Image

from images import gradient
from seewhy.cvat.function import MAX_PNG_BYTES, encode_frame
from seewhy.cvat.nuclio import NuclioFunction
from seewhy.cvat.options import FunctionOptions
from seewhy.errors import InvalidRequest


def test_texts_of_the_command_line_become_lists_and_objects() -> None:
    options = FunctionOptions.parse(
        {"labels": "tiger cat, tabby,", "alias": '{"evidence": "*", "cat": [281, "tiger cat"]}'}
    )
    assert options.labels == ("tiger cat", "tabby")
    assert options.alias == {"evidence": "*", "cat": (281, "tiger cat")}
    assert FunctionOptions.parse({"labels": '["crane, red"]'}).labels == ("crane, red",)


def test_every_mistake_is_named_and_a_key_is_not_shown() -> None:
    with pytest.raises(InvalidRequest) as refused:
        FunctionOptions.parse(
            {"shape": "cuboid", "components": 0, "alias": "{", "labels": ",", "api_key": 7}
        )
    message = str(refused.value)
    for name in ("shape", "components", "alias", "labels", "api_key"):
        assert f"{name}: " in message
    assert "secret" not in repr(FunctionOptions.parse({"api_key": "secret"}))


@pytest.mark.parametrize(
    ("spec", "options", "reason"),
    [
        ("[", "{}", "Invalid JSON"),
        ('[{"name": "cat", "type": "cuboid"}]', "{}", "0.type: "),
        ('[{"name": "cat"}]', "[]", "dict"),
        ('[{"name": "cat"}]', '{"alias": {"dog": "*"}}', "alias: the spec has no label dog"),
        ('[{"name": "cat"}]', '{"shape": "mask"}', "shape: Extra inputs"),
    ],
)
def test_a_serverless_function_refuses_mistakes_when_it_starts(
    spec: str, options: str, reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        NuclioFunction(spec, options)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "YCbCr", "F", "RGBA"])
def test_the_pixels_of_a_frame_are_sent_as_they_are(mode: str) -> None:
    image = gradient(5, 3).convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.info |= {"exif": exif.tobytes(), "icc_profile": b"profile"}
    with Image.open(io.BytesIO(encode_frame(image))) as sent:
        assert sent.size == (5, 3)
        assert not sent.getexif()
        assert ("icc_profile" in sent.info) == (mode in {"RGB", "L", "RGBA"})
        assert (np.asarray(sent.convert("RGB")) == np.asarray(image.convert("RGB"))).all()


def test_a_frame_that_is_large_as_png_is_sent_as_jpeg() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (1500, 2000, 3), dtype=np.uint8)
    sent = encode_frame(Image.fromarray(pixels))
    assert len(sent) < MAX_PNG_BYTES < pixels.nbytes
    with Image.open(io.BytesIO(sent)) as image:
        assert (image.format, image.size) == ("JPEG", (2000, 1500))
        assert np.abs(np.asarray(image, np.float64) - pixels).mean() < 4


def test_a_frame_of_16_bits_keeps_its_values() -> None:
    pixels = np.array([[0, 255, 256, 4_000, 65_535]], np.uint16)
    with Image.open(io.BytesIO(encode_frame(Image.fromarray(pixels)))) as sent:
        np.testing.assert_array_equal(np.asarray(sent), pixels)
