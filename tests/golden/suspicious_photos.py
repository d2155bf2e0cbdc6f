"""Sets of a hundred photos: ordinary ones, and six with planted faults."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_image

from seewhy.schemas.suspicion import SuspicionReason as Reason

EXAMPLES = Path(__file__).parents[2] / "examples" / "photos"
HELD_OUT = Path(__file__).parent / "photos"
GRAY = (127, 127, 127)
SAMPLES = ("china", "flower")
ORDINARY = 94
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


def ordinary(photos: Sequence[Image.Image]) -> Iterator[Case]:
    """Yield the photos cropped, mirrored and brightened at random, with their two best classes."""
    rng = np.random.default_rng(20261129)
    for number in range(ORDINARY):
        image = photos[number % len(photos)]
        left, top, right, bottom = rng.uniform(0, 0.08, 4)
        width, height = image.size
        box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
        image = image.crop(tuple(map(round, box)))
        image = ImageOps.mirror(image) if rng.random() < 0.5 else image
        yield Case(ImageEnhance.Brightness(image).enhance(rng.uniform(0.8, 1.2)))


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
