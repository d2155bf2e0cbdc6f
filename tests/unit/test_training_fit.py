"""`seewhy fit` on small bases, and the mistakes it reports before importing Keras."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import networks
from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_spec import ModelSpec, ScalePreprocessing
from seewhy.catalog.weights import obtain_weights
from seewhy.imaging.codecs import encode_png
from seewhy.schemas.channels import Channels
from seewhy.settings import load
from seewhy_worker.models.loading import load_file, load_model
from seewhy_worker.models.preprocessing import prepare
from seewhy_worker.models.splitting.split_model import split
from seewhy_worker.training.__main__ import main
from seewhy_worker.training.catalog_entry import choose_output_files
from seewhy_worker.training.dataset import read_folder
from seewhy_worker.training.errors import TrainingError
from seewhy_worker.training.fit import TrainingPlan, fit

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

COLORS = {"blue": (40, 40, 200), "green": (40, 200, 40), "red": (200, 40, 40)}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Fifteen noisy images of each of three colors."""
    generator = np.random.default_rng(0)
    folder = tmp_path / "images"
    for name, color in COLORS.items():
        (folder / name).mkdir(parents=True)
        for n in range(15):
            noise = generator.integers(-40, 40, (20, 24, 3))
            (folder / name / f"{n}.png").write_bytes(encode_png((color + noise).astype(np.uint8)))
    return folder


@pytest.fixture
def base(tmp_path: Path) -> ModelSpec:
    """`networks.two_layer_cnn` in a catalog."""
    networks.two_layer_cnn().save(tmp_path / "base.keras")
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\ne\n")
    return ModelSpec.model_validate(
        {
            "name": "small",
            "folder": tmp_path,
            "source": "base.keras",
            "sha256": "0" * 64,
            "input": {"height_px": 12, "width_px": 12},
            "preprocessing": {"kind": "scale", "mean": 127.5, "std": [127.5, 127.5, 128]},
            "geometry": {"rule": "crop", "fraction": 0.8},
            "interpolation": "area",
            "labels_file": "labels.txt",
            "layers": ["conv1"],
        }
    )


def plan(base: ModelSpec, images: Path, out: Path, *, held_out: float = 0.2) -> TrainingPlan:
    return TrainingPlan(
        folder=read_folder(images),
        base=base,
        weights_path=None if base.is_application else base.folder / base.source,
        files=choose_output_files(out, overwrite=False),
        held_out=held_out,
        seed=0,
        max_batch=8,
        max_pixels=10_000,
    )


def test_colors_are_learned_and_the_model_is_ready_to_serve(
    base: ModelSpec, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "colors.keras"
    (images / "red" / "words.png").write_text("words")
    fit(plan(base, images, out))
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        "held-out accuracy: 100.0% (9 of 9; always predicting the most common class: 33.3%)",
        "WARNING: some class has fewer than 10 held-out images, so this accuracy is uncertain: the "
        "true value is probably between 70% and 100%.",
        " actual \\ predicted  blue  green  red  recall ",
        " blue                   3      0    0    100% ",
        " green                  0      3    0    100% ",
        " red                    0      0    3    100% ",
        f"wrote {out}, {out.with_suffix('.labels.txt')} and {out.with_suffix('.toml')}; next:",
        f"export SEEWHY_MODELS_FILE={out.with_suffix('.toml')}",
        "seewhy explain PHOTO --model colors",
    ]
    words = images / "red" / "words.png"
    assert f"skipped {words}: the image is not JPEG, PNG or WebP" in output.err
    assert "features: 45 images with 4 values each, 0.0 MB" in output.err
    assert "trained on 36 images of 3 classes; 9 held out" in output.err

    settings = load({}, models_file=out.with_suffix(".toml"))
    spec = Catalog.load(settings).get("colors")
    path = obtain_weights(spec, settings, progress=lambda done, total: None)
    split_model = split(load_model(spec, weights_path=path), spec.layer)
    assert (spec.layer, spec.layers, split_model.map_shape) == ("conv2", ("conv1",), (8, 8))
    noise = np.random.default_rng(9).integers(-40, 40, (20, 20, 3))
    for index, color in enumerate(COLORS.values()):
        pixels, _ = prepare((color + noise).astype(np.uint8), spec)
        assert np.asarray(split_model.head(split_model.body(pixels[None]))).argmax() == index


def test_the_same_images_and_seed_give_the_same_weights(
    base: ModelSpec, images: Path, tmp_path: Path
) -> None:
    outs = [tmp_path / "first.keras", tmp_path / "second.keras"]
    for out in outs:
        fit(plan(base, images, out))
    first, second = (load_file(out).weights for out in outs)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


@pytest.mark.parametrize("channels", ["luma", (0.3, 0.6, 0.1)])
def test_a_base_of_one_channel_gives_a_model_that_sees_the_same_channel(
    channels: Channels, base: ModelSpec, images: Path, tmp_path: Path
) -> None:
    image = keras.Input((12, 12, 1))
    hidden = networks.conv(4, "conv", 1)(image)
    keras.Model(image, networks.add_classifier(hidden)).save(tmp_path / "base.keras")
    scale = ScalePreprocessing(kind="scale", mean=127.5, std=127.5)
    gray = base.model_copy(update={"channels": channels, "preprocessing": scale})
    fit(plan(gray, images, tmp_path / "gray.keras"))
    settings = load({}, models_file=tmp_path / "gray.toml")
    spec = Catalog.load(settings).get("gray")
    assert spec.channels == channels
    model = load_model(spec, weights_path=tmp_path / "gray.keras")
    assert split(model).input_shape == (12, 12, 1)


def test_random_weights_are_allowed_with_a_warning(
    base: ModelSpec, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = {"source": "keras.applications:MobileNet", "sha256": None}
    size = {"height_px": 64, "width_px": 64}
    fields = base.model_dump(exclude_unset=True) | changes
    random = ModelSpec.model_validate(
        {**fields, "weights": {"random_seed": 1}, "input": size, "layers": []}
    )
    out = tmp_path / "colors.keras"
    fit(plan(random, images, out, held_out=0))
    output = capsys.readouterr()
    assert "WARNING: small has random weights" in output.err
    assert "accuracy" not in output.out
    found = Catalog.load(load({}, models_file=out.with_suffix(".toml"))).get("colors")
    assert split(load_file(out), found.layer).layer == "conv_pw_13_relu"


def test_too_few_decodable_images_leave_no_files_behind(
    base: ModelSpec, images: Path, tmp_path: Path
) -> None:
    for file in sorted((images / "green").iterdir())[1:]:
        file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(TrainingError, match="'green' has 1"):
        fit(plan(base, images, tmp_path / "new" / "colors.keras"))
    assert list((tmp_path / "new").iterdir()) == []


def refusal(
    monkeypatch: pytest.MonkeyPatch, images: Path, *, base: str = "efficientnet-lite0", out: Path
) -> str:
    monkeypatch.setattr(sys, "argv", ["fit", str(images), "--base", base, "--out", str(out)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, str)
    assert not out.with_suffix(".toml").exists()
    return ended.value.code


def test_a_mistake_is_reported_in_one_sentence_with_status_1(
    monkeypatch: pytest.MonkeyPatch, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new.keras"
    (tmp_path / "old.keras").touch()
    (tmp_path / "empty").mkdir()
    assert refusal(monkeypatch, tmp_path / "empty", out=out).startswith(
        f"seewhy: {tmp_path / 'empty'} has no subfolders"
    )
    assert "'old.h5' is not a valid model file name" in refusal(
        monkeypatch, images, out=tmp_path / "old.h5"
    )
    assert "old.keras exists" in refusal(monkeypatch, images, out=tmp_path / "old.keras")
    assert "seewhy already ships a model named vgg16" in refusal(
        monkeypatch, images, out=tmp_path / "vgg16.keras"
    )
    assert "unknown model 'vgg61'" in refusal(monkeypatch, images, base="vgg61", out=out)


def test_a_base_without_weights_is_refused(
    monkeypatch: pytest.MonkeyPatch, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("a\nb\n")
    (tmp_path / "models.toml").write_text(
        f'[absent]\nsource = "absent.keras"\nsha256 = "{"0" * 64}"\n'
        "input = { height_px = 12, width_px = 12 }\n"
        'preprocessing = { kind = "scale" }\nlabels_file = "labels.txt"\n'
    )
    monkeypatch.setenv("SEEWHY_MODELS_FILE", str(tmp_path / "models.toml"))
    message = refusal(monkeypatch, images, base="absent", out=tmp_path / "new.keras")
    assert "cannot find the file absent.keras of the model absent" in message


def test_the_command_line_is_checked_before_keras_is_imported() -> None:
    program = "import sys, seewhy_worker.training.__main__; print('keras' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert shown.stdout.decode().strip() == "False"
