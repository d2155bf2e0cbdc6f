"""The catalog of models, and the class names of a model."""

from pathlib import Path

import pytest

from seewhy.catalog.catalog import Catalog
from seewhy.catalog.model_spec import ModelSpec
from seewhy.errors import SettingsError, UnknownClass, UnknownModel
from seewhy.schemas.labels import Labels
from seewhy.settings import load

SHIPPED = Catalog.load(load({}))
IMAGENET = SHIPPED.get("vgg16").labels
ANIMALS = Labels(["cat", "Dog", "crane", "horse", "crane"])

OWN = """
[flowers]
source = "flowers.keras"
sha256 = "{digest}"
input = {{ height_px = 64, width_px = 96 }}
preprocessing = {{ kind = "scale", mean = [1.0, 2.0, 3.0], std = 2.0 }}
labels_file = "flowers.txt"
"""


def load_catalog(folder: Path, text: str) -> Catalog:
    (folder / "flowers.txt").write_text("rose\ntulip\n")
    file = folder / "own.toml"
    file.write_text(text)
    return Catalog.load(load({}, models_file=file))


def flowers_entry(extra: str = "") -> str:
    return OWN.format(digest="a" * 64) + extra


def test_the_shipped_catalog_has_vgg16_and_its_offline_fallback() -> None:
    assert SHIPPED.names() == ("efficientnet-lite0", "vgg16")
    vgg16, lite0 = SHIPPED.get("vgg16"), SHIPPED.get("efficientnet-lite0")
    assert (vgg16.layer, vgg16.geometry.rule) == ("block5_conv3", "stretch")
    assert vgg16.digest == "md5:64373286793e3c8b2b4e3219cbf3544b"
    assert (lite0.layer, lite0.geometry.rule, lite0.geometry.fraction) == (
        "top_relu",
        "crop",
        0.875,
    )
    assert lite0.offered_layers == ("block4a_expand_relu", "block6a_expand_relu", "top_relu")
    assert lite0.digest.startswith("sha256:8c4d4772")
    assert (lite0.folder / lite0.source).is_file()


def test_the_shipped_labels_are_those_of_imagenet() -> None:
    assert len(IMAGENET) == 1000
    assert [IMAGENET[index] for index in (0, 282, 872)] == ["tench", "tiger cat", "tripod"]


def test_the_operators_file_adds_a_model(tmp_path: Path) -> None:
    catalog = load_catalog(tmp_path, flowers_entry())
    assert catalog.names() == ("efficientnet-lite0", "flowers", "vgg16")
    flowers = catalog.get("flowers")
    assert (flowers.name, flowers.folder) == ("flowers", tmp_path)
    assert (flowers.labels[1], len(flowers.labels)) == ("tulip", 2)
    assert (flowers.input.height_px, flowers.input.width_px) == (64, 96)


def test_the_operators_file_replaces_a_shipped_model(tmp_path: Path) -> None:
    catalog = load_catalog(tmp_path, flowers_entry().replace("[flowers]", "[vgg16]"))
    assert catalog.get("vgg16").source == "flowers.keras"


def test_an_unknown_model_is_refused_with_the_closest_name() -> None:
    with pytest.raises(UnknownModel, match=r"efficientnet-lite0, vgg16\. Did you mean vgg16\?"):
        SHIPPED.get("vgg-16")


def test_all_mistakes_of_a_file_are_reported_together(tmp_path: Path) -> None:
    text = flowers_entry(
        "max_batch = 64\nlayerz = 'a'\nfolder = 'x'\n[other]\nname = 'y'\n"
    ).replace("64,", "-1,")
    with pytest.raises(SettingsError) as caught:
        load_catalog(tmp_path, text)
    report = str(caught.value)
    assert "own.toml" in report
    assert "flowers.max_batch: Input should be less than or equal to 32" in report
    assert "flowers.layerz: unknown field; did you mean layer?" in report
    assert "flowers.input.height_px" in report
    assert "flowers.folder: not a field" in report
    assert "other.name: not a field" in report
    assert "other.source: Field required" in report


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('sha256 = "', '# "', "flowers: a .keras or .h5 source needs `sha256`"),
        (
            '"flowers.keras"',
            '"keras.applications:VGG16"',
            "applications source needs `weights`",
        ),
        (
            '"flowers.keras"',
            '"flowers.onnx"',
            "flowers.source: not valid; give `keras.applications:NAME`",
        ),
        ('"flowers.txt"', '"leaves.txt"', "flowers.labels_file: cannot read"),
        ("std = 2.0", "std = 0.0", "flowers.preprocessing: std must not be zero"),
        ('sha256 = "', 'sha256 = "X', "flowers.sha256: not valid; give the SHA-256"),
        ("std = 2.0", "scale = 2.0", "flowers.preprocessing.scale: unknown field; remove it"),
        ("height_px", "hight_px", "flowers.input.hight_px: unknown field; remove it"),
        ("[flowers]", "[flowers", "cannot read the catalog"),
        ("[flowers]", "['Flow ers']", "Flow ers: not a valid model name; use"),
        (
            "[flowers]",
            "[flowers]\nname = 'x'",
            "flowers.name: not a field; the title",
        ),
        (
            "[flowers]",
            "[flowers]\nmethods = ['grad']",
            "flowers.methods: unknown: grad; avail",
        ),
        ("[flowers]", "flowers = 3\n[other]", "flowers: not a table; write the fields"),
        (
            "[flowers]",
            "[flowers]\nmodules = ['../leaf.py']",
            "flowers.modules.0: not the name of a Python module; give a name as in `import",
        ),
        (
            'kind = "scale", mean = [1.0, 2.0, 3.0], std = 2.0',
            'kind = "module", function = "leaf"',
            "flowers.preprocessing.function: not a function of a module; give MODULE:FUNCTION",
        ),
    ],
)
def test_a_mistake_is_reported_with_table_field_and_remedy(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    with pytest.raises(SettingsError, match=r"own.toml") as caught:
        load_catalog(tmp_path, flowers_entry().replace(before, after))
    assert message in str(caught.value)
    assert "default factory" not in str(caught.value)


def test_a_missing_catalog_file_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"absent.toml"):
        Catalog.load(load({}, models_file=tmp_path / "absent.toml"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "a model of classes needs `labels_file`, with one name per line"),
        (
            'scores = "values"\nmethods = ["gradcam", "finercam"]',
            "flowers: finercam: compares classes, not values",
        ),
    ],
)
def test_the_scores_decide_which_fields_a_model_needs(
    tmp_path: Path, line: str, message: str
) -> None:
    text = flowers_entry().replace('labels_file = "flowers.txt"', line)
    with pytest.raises(SettingsError) as caught:
        load_catalog(tmp_path, text)
    assert message in str(caught.value)


def test_an_empty_labels_file_is_refused(tmp_path: Path) -> None:
    text = flowers_entry().replace("flowers.txt", "empty.txt")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(SettingsError, match=r"labels_file: .*empty.txt is empty; write"):
        load_catalog(tmp_path, text)


def test_random_weights_are_identified_by_their_seed() -> None:
    spec = SHIPPED.get("vgg16").model_dump() | {"weights": {"random_seed": 3}}
    assert ModelSpec.model_validate(spec).digest == "random:3"


@pytest.mark.parametrize(("wanted", "index"), [("dog", 1), ("CAT", 0), (3, 3), ("3", 3), (4, 4)])
def test_a_class_is_found_by_name_or_index(wanted: str | int, index: int) -> None:
    assert ANIMALS.index_of(wanted) == index


def test_an_ambiguous_name_is_refused_with_its_indices() -> None:
    with pytest.raises(UnknownClass, match="ambiguous; use the index: 2 or 4"):
        ANIMALS.index_of("crane")


def test_a_misspelled_class_is_refused_with_similar_names() -> None:
    with pytest.raises(UnknownClass, match="similar names: tiger cat"):
        IMAGENET.index_of("tigre cat")


@pytest.mark.parametrize("wanted", [-1, 5, "5", "zebra", ""])
def test_an_unknown_class_is_refused(wanted: str | int) -> None:
    with pytest.raises(UnknownClass):
        ANIMALS.index_of(wanted)
