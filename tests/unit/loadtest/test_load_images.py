"""The images that a load test sends."""

from pathlib import Path

import numpy as np
import pytest

from seewhy.imaging.codecs import decode
from seewhy_loadtest.generation.images import NoImages, default_image, read_images
from seewhy_loadtest.generation.unique_image import unique_image


def test_the_default_image_has_about_40_kb() -> None:
    image = default_image()
    assert decode(image, max_pixels=1_000_000).shape == (427, 640, 3)
    assert 35_000 <= len(image) <= 45_000


def test_no_two_requests_send_the_same_file_and_all_show_the_same_image() -> None:
    image = default_image()
    sent = {unique_image([image], seed=seed, index=n) for seed in (1, 2) for n in range(12)}
    assert len(sent) == 24
    shown = decode(image, max_pixels=1_000_000)
    for body in sent:
        assert np.array_equal(decode(body, max_pixels=1_000_000), shown)


def test_the_jpegs_of_a_folder_are_sent_in_turn(photos: Path, tmp_path: Path) -> None:
    cat = (photos / "cat.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(cat)
    (tmp_path / "b.txt").write_text("no image")
    assert read_images(tmp_path) == [cat]
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(NoImages, match="has no JPEG files"):
        read_images(tmp_path)
