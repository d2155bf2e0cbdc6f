"""Train a head on a folder of images and save it as a catalog model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import UnsupportedModel
from seewhy.imaging import codecs
from seewhy.settings.limits import MODEL_MEMORY_BYTES
from seewhy_worker.keras_backend.devices import enable_memory_growth
from seewhy_worker.models import heads
from seewhy_worker.models.loading import load_file, load_model
from seewhy_worker.models.preprocessing import prepare
from seewhy_worker.models.splitting.split_model import split
from seewhy_worker.training import report
from seewhy_worker.training.catalog_entry import ModelFiles, staged_files, write_catalog_entry
from seewhy_worker.training.dataset import ImageFolder, check_counts
from seewhy_worker.training.evaluation import evaluate
from seewhy_worker.training.features import Features, compute_features
from seewhy_worker.training.holdout import hold_out
from seewhy_worker.training.regression import LinearHead, train_head


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """The inputs of a training, validated as far as possible without opening the model."""

    folder: ImageFolder
    base: ModelSpec
    weights_path: Path | None
    """The base's weights with a checked digest; None for random weights."""
    files: ModelFiles
    held_out: float
    """The fraction of each class that is held out from training; 0 for none."""
    seed: int
    max_batch: int
    max_pixels: int
    memory_bytes: int = MODEL_MEMORY_BYTES
    """The memory that the file of the base may take."""


def fit(plan: TrainingPlan) -> None:
    """Train, evaluate and save a head, and print a report. The saved head is the evaluated one.

    Raises `TrainingError` when too few of the files are images, and `UnsupportedModel` when the
    base or the new model cannot be explained.
    """
    base, notes = plan.base, report.notes_console()
    size = (base.input.height_px, base.input.width_px)
    enable_memory_growth()
    model = load_model(base, weights_path=plan.weights_path, memory_bytes=plan.memory_bytes)
    split_model = split(model, base.layer, output=base.output, outputs=base.outputs, size=size)
    if split_model.network.others:
        raise UnsupportedModel(
            f"{base.name} has inputs beside the image, which a new head cannot take: choose a base "
            "whose only input is an image."
        )
    notes.print(f"using {base.name} up to the layer {split_model.layer} {split_model.map_shape}")
    if plan.weights_path is None:
        notes.print(f"WARNING: {base.name} has random weights, so its features carry no meaning.")
    extractor = heads.build_feature_extractor(model, split_model)
    labels = plan.folder.labels
    with staged_files(plan.files) as staged:
        features = _compute_features(plan, extractor)
        for line in (*report.skipped_lines(features), report.memory_line(features)):
            notes.print(line)
        check_counts(labels, features.labels.tolist())
        held = hold_out(features.labels, fraction=plan.held_out, seed=plan.seed)
        head = train_head(features.rows[~held], features.labels[~held], classes=len(labels))
        heads.save_model(heads.attach_head(extractor, head.kernel, head.bias), staged.model)
        # Load the file as a worker will, so that a model that cannot be explained is not saved.
        fitted = split(
            load_file(
                staged.model, memory_bytes=plan.memory_bytes, size=size, modules=base.modules
            ),
            size=size,
        )
        write_catalog_entry(
            staged,
            base=base,
            layer=fitted.layer,
            layer_paths=tuple(candidate.path for candidate in fitted.candidates),
            labels=labels,
        )
    notes.print(
        f"trained on {np.sum(~held)} images of {len(labels)} classes; {held.sum()} held out"
    )
    _print_results(plan, head, features, held)


def _print_results(
    plan: TrainingPlan, head: LinearHead, features: Features, held: NDArray[np.bool_]
) -> None:
    results, files = report.results_console(), plan.files
    if held.any():
        evaluation = evaluate(head.logits(features.rows[held]), features.labels[held])
        for line in report.accuracy_lines(evaluation):
            results.print(line)
        results.print(report.confusion_table(evaluation, plan.folder.labels))
    results.print(f"wrote {files.model}, {files.labels} and {files.catalog}; next:")
    for line in report.next_lines(files):
        results.print(line)


def _compute_features(plan: TrainingPlan, extractor: Any) -> Features:
    def decode_and_prepare(body: bytes) -> NDArray[np.float32]:
        pixels, _ = prepare(codecs.decode(body, max_pixels=plan.max_pixels), plan.base)
        return pixels

    with report.progress_bar(report.notes_console(), "features") as progress:
        features = compute_features(
            plan.folder.files,
            prepare=decode_and_prepare,
            compute=lambda pixels: heads.predict_features(extractor, pixels),
            batch=min(plan.max_batch, plan.base.max_batch),
            max_bytes=4 * plan.max_pixels,  # no image of `max_pixels` needs a larger file
            progress=progress,
        )
    if not np.isfinite(features.rows).all():
        raise UnsupportedModel(
            f"the body of {plan.base.name} outputs features that are not finite: check its "
            "weights and its preprocessing."
        )
    return features
