"""What the writers of data sets put into the files that describe a set."""

from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from annotation_strategies import LABELS
from seewhy.annotations.annotation import Annotation, ImageSize
from seewhy.annotations.xml_documents import writable
from seewhy.datasets.dataset import DatasetItem
from seewhy.datasets.file_per_image import VocWriter, YoloWriter, yaml_string
from seewhy.datasets.new_folder import new_folder
from seewhy.datasets.options import Shape
from seewhy.errors import InvalidAnnotation
from seewhy.schemas.geometry import Rectangle

TEXTS = LABELS | st.text(st.characters(exclude_categories=()))
"""Also lone surrogates, control characters and ends of lines."""


def item(*labels: str) -> DatasetItem:
    box = Rectangle(x=1, y=1, width=2, height=2)
    regions = tuple(Annotation(label=label, box=box) for label in labels)
    return DatasetItem(
        name="a.png", image=b"png", size=ImageSize(6, 4), classes=(), regions=regions
    )


def voc(folder: Path, *labels: str) -> list[str]:
    """Write a set of one image; return the lines of `labelmap.txt`."""
    writer = VocWriter(folder, shape=Shape.BOX, image_folder_url="")
    writer.add(item(*labels))
    writer.finish()
    return (folder / "labelmap.txt").read_text("utf-8").splitlines()


@given(TEXTS)
def test_every_text_is_read_back_from_yaml(text: str) -> None:
    quoted = yaml_string(text).encode().decode()
    assert yaml.safe_load(f"names:\n  0: {quoted}\n") == {"names": {0: text}}


def test_a_yolo_set_opens_where_its_file_is(tmp_path: Path) -> None:
    writer = YoloWriter(tmp_path, shape=Shape.BOX, image_folder_url="")
    writer.add(item("🐈 cat"))
    writer.finish()
    data = yaml.safe_load((tmp_path / "data.yaml").read_text("utf-8"))
    # With a `path`, Ultralytics would look for it in the working directory or its own settings.
    assert data == {"train": "images", "val": "images", "names": {0: "🐈 cat"}}
    assert "🐈 cat" in (tmp_path / "data.yaml").read_text("utf-8")


@given(LABELS | st.sampled_from(["a b", "a;b", "background", "\x07", "person, man"]))
def test_a_class_in_labelmap_is_the_one_in_the_annotations(
    tmp_path_factory: pytest.TempPathFactory, label: str
) -> None:
    assume(not set("#:") & set(label))
    _, *lines = voc(tmp_path_factory.mktemp("voc"), label)
    assert lines[0] == "background:::"
    assert [line.split(":")[0] for line in lines] == list(
        dict.fromkeys(["background", writable(label)])
    )


@pytest.mark.parametrize("label", ["a:b", "#a", " a", "a ", "a\nb", "a\rb", ":", ""])
def test_a_class_that_labelmap_cannot_hold_is_refused_before_anything_is_written(
    tmp_path: Path, label: str
) -> None:
    writer = VocWriter(tmp_path, shape=Shape.BOX, image_folder_url="")
    with pytest.raises(InvalidAnnotation, match=r"cannot be in labelmap\.txt"):
        writer.add(item("fine", label))
    writer.add(item("fine"))
    writer.finish()
    assert (tmp_path / "labelmap.txt").read_text().splitlines()[1:] == ["background:::", "fine:::"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_has_its_content_when_that_is_complete(tmp_path: Path, exists: bool) -> None:
    out = tmp_path / "parent" / "out"
    if exists:
        out.mkdir(parents=True)
    with new_folder(out) as folder:
        (folder / "images").mkdir()
        (folder / "images" / "a.png").write_bytes(b"a")
        (folder / "set.json").write_text("{}")
        assert not (out / "set.json").exists()
    assert sorted(path.name for path in out.rglob("*")) == ["a.png", "images", "set.json"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_that_was_not_completed_is_as_it_was(tmp_path: Path, exists: bool) -> None:
    out = tmp_path / "out"
    if exists:
        out.mkdir()

    def write_until_it_is_stopped() -> None:
        with new_folder(out) as folder:
            (folder / "set.json").write_text("{")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_until_it_is_stopped()
    assert [path.name for path in tmp_path.rglob("*")] == ["out"] * exists
