"""Sets of a hundred photos, ordinary ones and six with planted faults, and their suspicion."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_image

from seewhy.imaging.structure import structure
from seewhy.imaging.suspicion import suspicion
from seewhy.schemas.result import ExplanationResult
from seewhy.schemas.suspicion import Suspicion
from seewhy.schemas.suspicion import SuspicionReason as Reason
from seewhy_worker.explain.concentration import with_concentration
from seewhy_worker.explain.types import Explainer, ExplanationTask, ImageExplanation

EXAMPLES = Path(__file__).parents[2] / "examples" / "photos"
HELD_OUT = Path(__file__).parent / "photos"
GRAY = (127, 127, 127)
SAMPLES = ("china", "flower")
ORDINARY = 94
BATCH = 8
MOST_PROBABLE = (-1, -2)


@dataclass(frozen=True, slots=True)
class Case:
    """A photo, the classes to explain, and by which reason its fault should be found."""

    image: Image.Image
    targets: tuple[int, ...] = MOST_PROBABLE
    reason: Reason | None = None


def opened(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def examples() -> Mapping[str, Image.Image]:
    """Return the photos of the repository."""
    names = ("cat", "coffee", "rocket", "tripod", "astronaut")
    return {name: opened(EXAMPLES / f"{name}.jpg") for name in names}


def held_out() -> Mapping[str, Image.Image]:
    """Return other photos: a portrait, a palace and a flower."""
    samples = {name: Image.fromarray(load_sample_image(f"{name}.jpg")) for name in SAMPLES}
    return {"portrait": opened(HELD_OUT / "grace_hopper.jpg"), **samples}


def varied(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Crop, mirror and brighten a photo at random."""
    left, top, right, bottom = rng.uniform(0, 0.08, 4)
    width, height = photo.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    photo = photo.crop(tuple(map(round, box)))
    photo = ImageOps.mirror(photo) if rng.random() < 0.5 else photo
    return ImageEnhance.Brightness(photo).enhance(rng.uniform(0.8, 1.2))


def ordinary(photos: Sequence[Image.Image]) -> Iterator[Case]:
    """Yield variations of the photos, with their two best classes."""
    rng = np.random.default_rng(20261129)
    for number in range(ORDINARY):
        yield Case(varied(photos[number % len(photos)], rng))


def watermarked(photo: Image.Image, mark: Image.Image) -> Image.Image:
    """Paste the mark into the upper right corner, at a third of the shorter side."""
    side = min(photo.size) // 3
    photo = photo.copy()
    photo.paste(mark.resize((side, side)), (photo.width - side, 0))
    return photo


def framed(tile: Image.Image) -> Image.Image:
    """Repeat the tile along the edges of a gray image."""
    image = Image.new("RGB", (480, 480), GRAY)
    for place in range(0, 480, 80):
        for corner in ((place, 0), (place, 400), (0, place), (400, place)):
            image.paste(tile.resize((80, 80)), corner)
    return image


def noise(deviation: float) -> Image.Image:
    """Return independent noise; a small deviation is that of a sensor in the dark."""
    values = np.random.default_rng(5).normal(2 * deviation, deviation, (300, 400, 3))
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def example_faults() -> Mapping[str, Case]:
    """Return faults planted in the photos of the repository."""
    photos = examples()
    cup = photos["coffee"].crop((173, 18, 410, 210))
    return {
        "blank": Case(Image.new("RGB", (400, 300), GRAY), reason=Reason.IMAGE),
        "black": Case(Image.new("RGB", (400, 300)), reason=Reason.IMAGE),
        "watermark in the corner": Case(watermarked(photos["tripod"], cup), (967,), Reason.CLASS),
        "objects at the border": Case(framed(cup), reason=Reason.BORDER),
        "a cat as an airliner": Case(photos["cat"], (404,), Reason.CLASS),
        "a coffee as a goldfish": Case(photos["coffee"], (1, 2), Reason.CLASS),
    }


def held_out_faults() -> Mapping[str, Case]:
    """Return faults of other kinds, planted in the other photos."""
    photos = held_out()
    flower = photos["flower"].crop((150, 60, 450, 360))
    return {
        "nearly black": Case(noise(1.5), reason=Reason.IMAGE),
        "noise": Case(noise(40), reason=Reason.IMAGE),
        "one color": Case(Image.new("RGB", (400, 300), (150, 30, 60)), reason=Reason.IMAGE),
        "objects at the border": Case(framed(flower), reason=Reason.BORDER),
        "a portrait as an airliner": Case(photos["portrait"], (404,), Reason.CLASS),
        "a palace as a goldfish": Case(photos["china"], (1, 2), Reason.CLASS),
    }


def judge(task: ExplanationTask, explained: ImageExplanation) -> Suspicion:
    """Return the suspicion of an explanation as the worker stores it and the service reads it."""
    (measured,) = with_concentration([explained])
    _, height, width = measured.maps.shape
    return suspicion(
        ExplanationResult(
            model_digest="", method=measured.method, layer=measured.layer, linear=measured.linear,
            targets=measured.targets, top=measured.top, map_height=height, map_width=width,
            covers=measured.covers, image_width_px=1, image_height_px=1, timings_ms={}, versions={},
            structure=structure(task.image.pixels),
        )
    )  # fmt: skip


def suspicions(explainer: Explainer, cases: Sequence[Case]) -> list[Suspicion]:
    """Explain the cases and return how suspicious each explanation is."""
    tasks = [
        ExplanationTask.create(explainer.prepare(np.asarray(case.image)), case.targets)
        for case in cases
    ]
    explained = [
        each
        for first in range(0, len(tasks), BATCH)
        for each in explainer.explain(tasks[first : first + BATCH])
    ]
    return [judge(task, one) for task, one in zip(tasks, explained, strict=True)]
