"""How well the suspicion ranks photos with planted faults above ordinary ones.

Each folder of photos is a set, or as many disjoint sets as `--parts`. The ordinary photos of a set
are at least 188 variations of all its photos; the faults are of 17 kinds, each planted several
times. EfficientNet-Lite0 explains its two best classes with Grad-CAM. AUROC is the probability that
a fault ranks above an ordinary photo. Hits are how many of six faults (those of the golden test)
are in the first ten of a hundred, mean of 500 draws. Prints Markdown.

    PYTHONPATH=tests python benchmarks/suspicion.py examples/photos
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from golden.suspicious_photos import BATCH, Case, framed, suspicions, varied
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.weights import obtain_weights
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import KerasExplainer, load_explainer
from seewhy_worker.explain.types import ExplanationTask

ORDINARY = 188
DRAWS = 500
SIX = ("gray", "black", "marked corner, its class", "along the border") + 2 * ("random class",)
SIZE = (300, 400)
CLASSES = 1000

Photo = Image.Image
Scores = Mapping[str, NDArray[np.float64]]


def image_of(values: NDArray[np.float64]) -> Photo:
    """Round and clip an array (H, W, 3) to an image."""
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def flat(level: float | NDArray[np.float64], rng: Generator) -> Photo:
    """Return one color; every second one has noise of one or two levels."""
    deviation = rng.choice([0, 0, 1, 2])
    return image_of(level + rng.normal(0, deviation, (*SIZE, 1)) + np.zeros((*SIZE, 3)))


def normal(channels: int, rng: Generator) -> Photo:
    """Return Gaussian noise, in color or gray."""
    deviation = rng.choice([10, 20, 40, 80])
    return image_of(128 + rng.normal(0, deviation, (*SIZE, channels)) + np.zeros((*SIZE, 3)))


def uniform(grain_px: int, rng: Generator) -> Photo:
    """Return uniform noise whose grains are squares."""
    small = rng.uniform(0, 256, (SIZE[0] // grain_px, SIZE[1] // grain_px, 3))
    return image_of(small.repeat(grain_px, 0).repeat(grain_px, 1))


def marked(photo: Photo, mark: Photo, rng: Generator) -> Photo:
    """Paste the mark into a corner of the square that the network sees."""
    photo = photo.copy()
    side = min(photo.size) // 3
    middle, reach = np.array(photo.size) / 2, 0.4375 * min(photo.size)
    left, top = (middle + rng.choice([-reach, reach - side], 2)).round().astype(int).tolist()
    photo.paste(ImageOps.fit(mark, (side, side)), (left, top))
    return photo


def hollow(photo: Photo, rng: Generator) -> Photo:
    """Fill the middle with gray."""
    photo = ImageOps.fit(photo, (400, 400))
    level = int(rng.integers(60, 200))
    photo.paste((level,) * 3, (100, 100, 300, 300))
    return photo


def halved(photo: Photo, rng: Generator) -> Photo:
    """Replace a half by gray, black or noise."""
    pixels = np.rot90(np.array(photo), turns := int(rng.integers(4))).copy()
    half = pixels[: len(pixels) // 2]
    half[:] = (128, 0, rng.integers(0, 256, half.shape))[int(rng.integers(3))]
    return Image.fromarray(np.ascontiguousarray(np.rot90(pixels, -turns)))


KINDS: Mapping[str, Callable[[Photo, Photo, Generator], Photo]] = {
    "black": lambda _, __, rng: flat(rng.choice([0, 2, 5, 10]), rng),
    "white": lambda _, __, rng: flat(rng.choice([250, 255]), rng),
    "gray": lambda _, __, rng: flat(float(rng.integers(40, 220)), rng),
    "one color": lambda _, __, rng: flat(rng.uniform(0, 256, 3), rng),
    "Gaussian noise": lambda _, __, rng: normal(3, rng),
    "gray noise": lambda _, __, rng: normal(1, rng),
    "uniform noise": lambda _, __, rng: uniform(1, rng),
    "coarse noise": lambda _, __, rng: uniform(int(rng.choice([2, 4, 8])), rng),
    "marked corner": marked,
    "marked corner, its class": marked,
    "along the border": lambda _, other, __: framed(ImageOps.fit(other, (80, 80))),
    "gray middle": lambda photo, _, rng: hollow(photo, rng),
    "half": lambda photo, _, rng: halved(photo, rng),
    "inverted gray": lambda photo, _, __: ImageOps.invert(photo.convert("L")).convert("RGB"),
    "random class": lambda photo, _, rng: varied(photo, rng),
    "blur": lambda photo, _, __: photo.filter(ImageFilter.GaussianBlur(min(photo.size) / 8)),
    "dark": lambda photo, _, __: ImageEnhance.Brightness(photo).enhance(0.03),
}


def opened(path: Path) -> Photo:
    """Open a photo as RGB."""
    return Image.open(path).convert("RGB")


class Set:
    """Photos, and how suspicious their ordinary variations and their faults are."""

    def __init__(self, explainer: KerasExplainer, paths: Sequence[Path], rng: Generator) -> None:
        """Explain with `explainer`."""
        self._explainer = explainer
        self._paths = paths
        self._rng = rng

    def scores(self, faults_per_kind: int) -> Scores:
        """Return the scores of the ordinary photos, and of each kind of fault."""
        count = max(ORDINARY, len(self._paths))
        paths = [self._paths[n % len(self._paths)] for n in range(count)]
        scores = {"ordinary": self._judge([Case(varied(opened(p), self._rng)) for p in paths])}
        for kind in KINDS:
            scores[kind] = self._judge([self._fault(kind) for _ in range(faults_per_kind)])
        return scores

    def _fault(self, kind: str) -> Case:
        photo, other = (
            opened(self._paths[n]) for n in self._rng.choice(len(self._paths), 2, replace=False)
        )
        image = KINDS[kind](photo, other, self._rng)
        if kind == "random class":
            return Case(image, (int(self._rng.integers(CLASSES)),))
        if kind == "marked corner, its class":
            prepared = self._explainer.prepare(np.asarray(other))
            (explained,) = self._explainer.explain([ExplanationTask.create(prepared, [-1])])
            return Case(image, (explained.top[0].index,))
        return Case(image)

    def _judge(self, cases: Sequence[Case]) -> NDArray[np.float64]:
        return np.array([found.score for found in suspicions(self._explainer, cases)])


def auroc(faulty: NDArray[np.float64], plain: NDArray[np.float64]) -> float:
    """Return the probability that a fault ranks above an ordinary photo; a tie counts half."""
    faulty = faulty[:, np.newaxis]
    return float((faulty > plain).mean() + (faulty == plain).mean() / 2)


def hits(scores: Scores, rng: Generator) -> float:
    """Return how many of six faults are among the first ten of a hundred, on average."""
    found = 0
    for _ in range(DRAWS):
        plain = rng.choice(scores["ordinary"], 94, replace=False)
        planted = np.array([rng.choice(scores[kind]) for kind in SIX])
        tenth = np.sort(np.concatenate([plain, planted]))[-10]
        found += int((planted >= tenth).sum())
    return found / DRAWS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--parts", type=int, default=1, help="disjoint sets of each folder")
    parser.add_argument("--faults", type=int, default=8, help="of each kind in a set")
    options = parser.parse_args()
    settings = load({})
    spec = Catalog.load(settings).get("efficientnet-lite0")
    weights_path = obtain_weights(spec, settings, progress=lambda done, total: None)
    explainer = load_explainer(spec, weights_path=weights_path, max_batch=BATCH)
    rng = np.random.default_rng(14)
    measured = []
    print("| set | photos | AUROC | hits of six |\n|---|---|---|---|")
    for folder in options.folders:
        paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
        for part in range(options.parts):
            chosen = paths[part :: options.parts]
            scores = Set(explainer, chosen, rng).scores(options.faults)
            measured.append(scores)
            faulty = np.concatenate([scores[kind] for kind in KINDS])
            area, found = auroc(faulty, scores["ordinary"]), hits(scores, rng)
            print(f"| {folder.name} {part + 1} | {len(chosen)} | {area:.3f} | {found:.1f} |")
    print("\n| fault | AUROC, mean over the sets |\n|---|---|")
    for kind in KINDS:
        areas = [auroc(scores[kind], scores["ordinary"]) for scores in measured]
        print(f"| {kind} | {np.mean(areas):.2f} |")


if __name__ == "__main__":
    main()
