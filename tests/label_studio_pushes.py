"""Projects of many tasks in a real Label Studio, and what seewhy has pushed to it."""

import io
from collections import Counter

import numpy as np
from PIL import Image

from servers.real_label_studio import RealLabelStudio
from servers.waiting import wait_until

PUSH_LIMIT_S = 1_800
WIDTH_PX, HEIGHT_PX = 160, 120


def noise(seed: int) -> bytes:
    """Return a small JPEG image that no other seed has."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).resize((WIDTH_PX, HEIGHT_PX)).save(encoded, "JPEG")
    return encoded.getvalue()


def photos(count: int) -> list[tuple[str, bytes]]:
    """Return images, each with the name of its file."""
    return [(f"{seed}.jpg", noise(seed)) for seed in range(count)]


def wait_for_predictions(studio: RealLabelStudio, project: int, count: int) -> None:
    wait_until(
        lambda: studio.count_predictions(project) >= count,
        what=f"{count} predictions in Label Studio",
        limit_s=PUSH_LIMIT_S,
    )


def assert_one_for_each_task(studio: RealLabelStudio, project: int) -> None:
    tasks = [task["id"] for task in studio.tasks(project)]
    pushed = Counter(each["task"] for each in studio.predictions(project))
    assert pushed == dict.fromkeys(tasks, 1)
