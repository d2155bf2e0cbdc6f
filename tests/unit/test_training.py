"""The parts of `seewhy fit` that need no network: folder, regression, evaluation, files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seewhy.catalog.catalog import Catalog
from seewhy.imaging.codecs import decode, encode_png
from seewhy.settings import load
from seewhy_worker.training.catalog_entry import (
    choose_output_files,
    staged_files,
    write_catalog_entry,
)
from seewhy_worker.training.dataset import LabeledFile, read_folder
from seewhy_worker.training.errors import TrainingError
from seewhy_worker.training.evaluation import evaluate
from seewhy_worker.training.features import compute_features
from seewhy_worker.training.holdout import hold_out
from seewhy_worker.training.regression import LinearHead, train_head


def folder_of(path: Path, **counts: int) -> Path:
    for name, count in counts.items():
        (path / name).mkdir(parents=True)
        for n in range(count):
            (path / name / f"{n}.png").write_bytes(b"image")
    return path


def clouds(count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Three clouds of `count` points that overlap, (3 * count, 4) and (3 * count,)."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), count)
    centers = generator.standard_normal((3, 4))
    return (centers[labels] + generator.standard_normal((len(labels), 4))).astype(
        np.float32
    ), labels


def test_classes_are_the_subfolders_by_name_with_files_at_any_depth(tmp_path: Path) -> None:
    folder_of(tmp_path, dog=2, cat=2)
    (tmp_path / "cat" / "more").mkdir()
    (tmp_path / "cat" / "more" / "9.png").touch()
    (tmp_path / "cat" / ".hidden").touch()
    (tmp_path / ".cache").mkdir()
    (tmp_path / "readme.txt").touch()
    found = read_folder(tmp_path)
    assert found.labels == ("cat", "dog")
    listed = [(file.path.relative_to(tmp_path).as_posix(), file.label) for file in found.files]
    cats = [("cat/0.png", 0), ("cat/1.png", 0), ("cat/more/9.png", 0)]
    assert listed == [*cats, ("dog/0.png", 1), ("dog/1.png", 1)]


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({}, "no subfolders: create one"),
        ({"cat": 3}, "only one subfolder, 'cat'"),
        ({"cat": 3, "dog": 1, "emu": 0}, "'dog' has 1, 'emu' has 0"),
        ({"cat": 3, " dog": 3}, "' dog' of .* is not a valid class name"),
        ({"cat": 3, "hot\ndog": 3}, "is not a valid class name"),
    ],
)
def test_a_folder_without_two_valid_classes_is_refused(
    tmp_path: Path, counts: dict[str, int], reason: str
) -> None:
    with pytest.raises(TrainingError, match=reason):
        read_folder(folder_of(tmp_path, **counts))


@pytest.mark.parametrize(("batch", "batches"), [(3, [3, 1]), (2, [2, 2])])
def test_broken_files_and_duplicates_are_skipped_with_a_reason(
    tmp_path: Path, batch: int, batches: list[int]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 4, 3), np.uint8)
    bodies = [encode_png(image) for image in images]
    bodies[2:3] = [bodies[2][:40], b"words", bodies[0], bytes(501)]
    files = [LabeledFile(tmp_path / f"{n}.png", n % 2) for n in range(len(bodies) + 1)]
    for file, body in zip(files, bodies, strict=False):
        file.path.write_bytes(body)
    updates: list[tuple[int, int | None]] = []
    sizes: list[int] = []

    def compute(pixels: np.ndarray) -> np.ndarray:
        sizes.append(len(pixels))
        return pixels.mean(axis=(1, 2))

    found = compute_features(
        files,
        prepare=lambda body: decode(body, max_pixels=100).astype(np.float32),
        compute=compute,
        batch=batch,
        max_bytes=500,
        progress=lambda done, total: updates.append((done, total)),
    )
    np.testing.assert_allclose(found.rows, images[[0, 1, 3, 4]].mean(axis=(1, 2)), rtol=1e-6)
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert sizes == batches
    assert updates == [(n, 9) for n in range(1, 10)]
    reasons = {one.path.name: one.reason for one in found.skipped}
    assert sorted(reasons) == ["2.png", "3.png", "4.png", "5.png", "8.png"]
    assert reasons["4.png"] == f"a duplicate of {tmp_path / '0.png'}"
    assert reasons["5.png"] == "the file has 501 bytes; the limit is 500"
    assert reasons["8.png"] == "No such file or directory"


@given(
    st.lists(st.integers(2, 40), min_size=2, max_size=5),
    st.floats(0.01, 0.9),
    st.integers(0, 1000),
)
def test_the_same_fraction_of_every_class_is_held_out(
    counts: list[int], fraction: float, seed: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    held = hold_out(labels, fraction=fraction, seed=seed)
    for label, count in enumerate(counts):
        kept_back = int(held[labels == label].sum())
        assert 1 <= kept_back <= count - 1
        assert abs(kept_back - fraction * count) <= 1
    np.testing.assert_array_equal(held, hold_out(labels, fraction=fraction, seed=seed))


def test_the_seed_changes_the_held_out_images_and_fraction_0_holds_out_none() -> None:
    labels = np.repeat([0, 1], 20)
    first, second = (hold_out(labels, fraction=0.3, seed=seed) for seed in (1, 2))
    assert (first != second).any()
    assert not hold_out(labels, fraction=0.0, seed=1).any()


def penalized_loss(head: LinearHead, features: np.ndarray, labels: np.ndarray) -> float:
    """The loss that `train_head` documents, written independently."""
    logits = features.astype(np.float64) @ head.kernel.astype(np.float64) + head.bias
    chosen = np.take_along_axis(logits, labels[:, np.newaxis], axis=1)[:, 0]
    counts = np.bincount(labels)
    entropy = np.log(np.exp(logits).sum(axis=1)) - chosen
    standardized = head.kernel * features.std(axis=0)[:, np.newaxis]
    shares = len(labels) / (len(counts) * counts[labels])
    return float(shares @ entropy + 0.5 * np.sum(standardized**2))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_no_head_nearby_has_a_lower_loss(seed: int) -> None:
    features, labels = clouds(12)
    head = train_head(features, labels, classes=3)
    lowest = penalized_loss(head, features, labels)
    generator = np.random.default_rng(seed)
    kernel = head.kernel + 0.05 * generator.standard_normal(head.kernel.shape, np.float32)
    bias = head.bias + 0.05 * generator.standard_normal(head.bias.shape, np.float32)
    assert penalized_loss(LinearHead(kernel, bias), features, labels) > lowest


def test_the_biases_are_not_penalized() -> None:
    features, labels = clouds(12)
    head = train_head(features, labels, classes=3)
    step = 0.01
    for shift in (step * np.eye(3)).astype(np.float32):
        up, down = (
            penalized_loss(LinearHead(head.kernel, head.bias + sign * shift), features, labels)
            for sign in (1, -1)
        )
        assert abs(up - down) / (2 * step) < 0.001


def test_scaling_and_shifting_the_features_does_not_change_the_logits() -> None:
    features, labels = clouds(12)
    moved = features * np.array([3, 0.01, 200, 1], np.float32) + np.array(
        [0, 5, -90, 2], np.float32
    )
    expected = train_head(features, labels, classes=3).logits(features)
    found = train_head(moved, labels, classes=3).logits(moved)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_classes_have_equal_weight_whatever_their_size() -> None:
    features = np.tile(np.array([[0, 1], [1, 0]], np.float32), (10, 1))
    labels = np.repeat([0, 1], [18, 2])
    logits = train_head(features, labels, classes=2).logits(features)
    np.testing.assert_allclose(logits, 0, atol=1e-3)


def test_training_is_deterministic_and_constant_channels_get_no_weight() -> None:
    features, labels = clouds(10)
    features = np.column_stack([features, np.full(30, 7, np.float32)])
    first, second = (train_head(features, labels, classes=3) for _ in range(2))
    np.testing.assert_array_equal(first.kernel, second.kernel)
    np.testing.assert_array_equal(first.bias, second.bias)
    np.testing.assert_array_equal(first.kernel[-1], 0)
    with pytest.raises(ValueError, match=r"\[10, 10, 10, 0\]"):
        train_head(features, labels, classes=4)


def test_training_works_with_more_channels_than_images() -> None:
    generator = np.random.default_rng(3)
    labels = np.repeat(np.arange(4), 5)
    centers = generator.standard_normal((4, 800))
    features = (centers[labels] + 2 * generator.standard_normal((20, 800))).astype(np.float32)
    fresh = (centers[labels] + 2 * generator.standard_normal((20, 800))).astype(np.float32)
    head = train_head(features, labels, classes=4)
    assert evaluate(head.logits(fresh), labels).correct == 20


def test_the_confusion_matrix_counts_predictions_per_class() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    logits = np.array([[2, 1], [2, 1], [1, 2], [1, 2], [1, 2]], np.float32)
    found = evaluate(logits, labels)
    assert found.confusion.tolist() == [[2, 1], [0, 2]]
    assert (found.correct, found.count, found.majority, found.has_small_class) == (4, 5, 3, True)
    assert found.recalls.tolist() == [pytest.approx(2 / 3), 1.0]
    # Wilson's score interval of 4 in 5, as tables have it.
    assert found.confidence_interval == pytest.approx((0.3755, 0.9638), abs=1e-4)
    logits = np.repeat(np.array([[2, 1], [1, 2]], np.float32), 10, axis=0)
    large = evaluate(logits, np.repeat([0, 1], 10))
    assert not large.has_small_class
    lower, upper = large.confidence_interval
    assert lower == pytest.approx(0.8389, abs=1e-4)
    assert upper == 1.0


@pytest.mark.parametrize("name", ["model", "model.h5", "a:b.keras", ".keras"])
def test_an_output_path_that_does_not_end_in_keras_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TrainingError, match=r"use a name that ends in \.keras"):
        choose_output_files(tmp_path / name, overwrite=True)


@pytest.mark.parametrize("name", ["model.keras", "model.labels.txt", "model.toml"])
def test_existing_files_are_replaced_only_with_overwrite(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(TrainingError, match=f"{name} exists"):
        choose_output_files(tmp_path / "model.keras", overwrite=False)
    assert choose_output_files(tmp_path / "model.keras", overwrite=True).name == "model"


@pytest.mark.parametrize(
    ("file", "name"), [("My Flowers.v2.keras", "my-flowers-v2"), ("Ärzte.keras", "rzte")]
)
def test_the_model_is_named_after_its_file(file: str, name: str) -> None:
    assert choose_output_files(Path(file), overwrite=True).name == name


def test_an_interruption_leaves_existing_files_unchanged(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_text("before")
    files = choose_output_files(tmp_path / "model.keras", overwrite=True)

    def interrupted() -> None:
        with staged_files(files) as staged:
            staged.model.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]
    assert files.model.read_text() == "before"


def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    files = choose_output_files(tmp_path / "file" / "model.keras", overwrite=True)
    with pytest.raises(TrainingError, match="cannot write"), staged_files(files):
        pass


@pytest.mark.parametrize("base", ["vgg16", "efficientnet-lite0"])
def test_the_entry_inherits_everything_but_file_and_head_from_the_base(
    tmp_path: Path, base: str
) -> None:
    spec = Catalog.load(load({})).get(base)
    files = choose_output_files(tmp_path / 'a "quoted" näme.keras', overwrite=False)
    with staged_files(files) as staged:
        staged.model.write_bytes(b"weights")
        labels = ("coffee cup", "käse")
        write_catalog_entry(staged, base=spec, layer="there", layer_paths=["there"], labels=labels)
    found = Catalog.load(load({}, models_file=files.catalog)).get(files.name)
    own = {"name", "folder", "source", "sha256", "weights", "labels_file", "layer", "layers"}
    assert found.model_dump(exclude=own) == spec.model_dump(exclude=own)
    assert (found.folder / found.source).read_bytes() == b"weights"
    assert found.layer == "there"
    assert [found.labels[0], found.labels[1]] == ["coffee cup", "käse"]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".keras", ".toml", ".txt"]
