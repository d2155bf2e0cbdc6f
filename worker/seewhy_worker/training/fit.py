"""From a folder of pictures to a model of the catalogue."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.catalog import ModelSpec
from seewhy.errors import UnsupportedModel
from seewhy.imaging import codecs
from seewhy_worker.keras_backend.steps import use_memory_as_needed
from seewhy_worker.models import heads
from seewhy_worker.models.loading import load_file, load_model
from seewhy_worker.models.preprocessing import prepare
from seewhy_worker.models.splitting import split
from seewhy_worker.training import report
from seewhy_worker.training.catalog_entry import Place, draft, write_entry
from seewhy_worker.training.dataset import Folder, check_counts
from seewhy_worker.training.evaluation import evaluate
from seewhy_worker.training.features import Features, compute_features
from seewhy_worker.training.holdout import hold_out
from seewhy_worker.training.regression import train


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done, checked as far as it can be without opening the model."""

    folder: Folder
    base: ModelSpec
    weights_path: Path | None
    """The base's weights, their digest checked; None for random ones."""
    place: Place
    held_out: float
    """The part of each class that is kept from training; 0 for none."""
    seed: int
    max_batch: int
    max_pixels: int


def fit(plan: Plan) -> None:
    """Train, evaluate, save and report. A head that is saved is the one that was evaluated.

    Raises `FitRefused` when too few of the files are pictures, and `UnsupportedModel`.
    """
    base, shown, noted = plan.base, report.results(), report.notes()
    size = (base.input.height_px, base.input.width_px)
    use_memory_as_needed()
    model = load_model(base, weights_path=plan.weights_path)
    parts = split(model, base.layer, output=base.output, size=size)
    noted.print(f"the body of {base.name}, up to {parts.layer} {parts.map_shape}")
    if plan.weights_path is None:
        noted.print(f"WARNING: the weights of {base.name} are random: its features mean nothing.")
    network = heads.pooled(model, parts)
    with draft(plan.place) as drafted:
        features = _features(plan, network)
        labels = plan.folder.labels
        for line in (*report.left_out_lines(features), report.memory_line(features)):
            noted.print(line)
        check_counts(labels, features.labels.tolist())
        held = hold_out(features.labels, fraction=plan.held_out, seed=plan.seed)
        head = train(features.rows[~held], features.labels[~held], classes=len(labels))
        heads.save(heads.with_head(network, head.kernel, head.bias), drafted.model)
        # Read back as a worker will: what cannot be explained is not handed over.
        fitted = split(load_file(drafted.model), size=size)
        paths = tuple(one.call.path for one in fitted.candidates)
        write_entry(drafted, base=base, layer=fitted.layer, paths=paths, labels=labels)
    noted.print(
        f"trained on {np.sum(~held)} pictures of {len(labels)} classes, {held.sum()} held out"
    )
    if held.any():
        evaluation = evaluate(head.logits(features.rows[held]), features.labels[held])
        for line in report.accuracy_lines(evaluation):
            shown.print(line)
        shown.print(report.confusion_table(evaluation, labels))
    shown.print(f"wrote {plan.place.model}, {plan.place.labels} and {plan.place.catalogue}; next:")
    for line in report.next_lines(plan.place):
        shown.print(line)


def _features(plan: Plan, network: Any) -> Features:
    def prepared(body: bytes) -> NDArray[np.float32]:
        pixels, _ = prepare(codecs.decode(body, max_pixels=plan.max_pixels), plan.base)
        return pixels

    with report.bar(report.notes(), "features") as progress:
        found = compute_features(
            plan.folder.files,
            prepare=prepared,
            compute=lambda pixels: heads.features(network, pixels),
            batch=min(plan.max_batch, plan.base.max_batch),
            max_bytes=4 * plan.max_pixels,  # no picture of so many pixels needs more
            progress=progress,
        )
    if not np.isfinite(found.rows).all():
        raise UnsupportedModel(
            f"the body of {plan.base.name} gives features that are not finite: its weights or its "
            "preprocessing are wrong."
        )
    return found
