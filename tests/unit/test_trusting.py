"""`seewhy trust` without a service: what it reads, and how it sums up."""

import math
from pathlib import Path

import pytest

from seewhy.cli.trusting import Summary, Wishes, read_boxes
from seewhy.client import TrustScores


def wishes(*photos: Path, methods: str = "gradcam", boxes: Path | None = None) -> Wishes:
    return Wishes.read(photos, methods=methods, target="predicted", model=None, boxes=boxes)


def test_a_folder_stands_for_its_pictures_but_not_for_overlays(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "a.seewhy.jpg", "notes.txt", "c.webp"):
        (tmp_path / name).touch()
    alone = Path("elsewhere.tif")

    found = wishes(tmp_path, alone, tmp_path).photos

    assert found == (tmp_path / "a.png", tmp_path / "b.JPG", tmp_path / "c.webp", alone)


def test_methods_stand_between_commas_each_once() -> None:
    assert wishes(Path("a.jpg"), methods="gradcam, layercam,gradcam,").methods == (
        "gradcam",
        "layercam",
    )
    with pytest.raises(ValueError, match="method"):
        wishes(Path("a.jpg"), methods=" ,")


def test_an_empty_folder_is_named_as_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name a photo"):
        wishes(tmp_path)


def test_boxes_are_read_by_file_name_in_any_order_of_columns(tmp_path: Path) -> None:
    file = tmp_path / "boxes.csv"
    file.write_text("\ufeffx,y,name,height,width,seen by\n1,2.5,a.jpg,40,30,me\n", "utf-8")
    assert read_boxes(file) == {"a.jpg": {"x": 1, "y": 2.5, "width": 30, "height": 40}}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name,x,y,width\na,1,2,3\n", "no column height"),
        ("", "no column name, x, y, width, height"),
        ("name,x,y,width,height\na,1,2,three,4\n", "line 2: a box is four numbers"),
        ("name,x,y,width,height\na,1,2,3\n", "line 2: a box is four numbers"),
        ("name,x,y,width,height\na,1,2,3,0\n", "line 2: a box has a width"),
        ("name,x,y,width,height\na,1,2,nan,4\n", "line 2: a box has a width"),
        ("name,x,y,width,height\na,1,2,3,4\na,1,2,3,4\n", "line 3: a has a box already"),
    ],
)
def test_a_mistake_in_the_boxes_is_named_with_its_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    file = tmp_path / "boxes.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        read_boxes(file)


def test_a_summary_averages_what_can_be_said_and_counts_all_pictures() -> None:
    summary = Summary.of(
        [
            TrustScores(
                insertion=0.8,
                deletion=0.2,
                drop=0.5,
                increase=True,
                times_better_than_chance=2.0,
                pointing_hit=True,
                energy_in_box=0.25,
            ),
            TrustScores(insertion=0.4, deletion=0.1, increase=False, times_better_than_chance=0.5),
            TrustScores(),
        ]
    )

    assert summary.pictures == 3
    assert summary.insertion == pytest.approx(0.6)
    assert summary.deletion == pytest.approx(0.15)
    assert summary.average_drop == 0.5
    assert summary.increase == 0.5
    assert summary.times_better_than_chance == pytest.approx(1)
    assert summary.pointing == 1
    assert summary.energy_in_box == 0.25


def test_a_summary_of_nothing_says_nothing() -> None:
    numbers = dict(vars(Summary.of([TrustScores()])))
    assert numbers.pop("pictures") == 1
    assert all(math.isnan(value) for value in numbers.values())
