"""`seewhy trust` without a service: options, boxes and summaries."""

import math
from pathlib import Path

import pytest

from seewhy.cli.commands.trust import MethodSummary, TrustOptions, read_boxes
from seewhy.client import TrustScores


def parse(*photos: Path, methods: str = "gradcam", boxes: Path | None = None) -> TrustOptions:
    return TrustOptions.parse(photos, methods=methods, target="predicted", model=None, boxes=boxes)


def test_methods_are_comma_separated_without_duplicates() -> None:
    assert parse(Path("a.jpg"), methods="gradcam, layercam,gradcam,").methods == (
        "gradcam",
        "layercam",
    )
    with pytest.raises(ValueError, match="one method"):
        parse(Path("a.jpg"), methods=" ,")


def test_boxes_are_read_by_file_name_with_columns_in_any_order(tmp_path: Path) -> None:
    file = tmp_path / "boxes.csv"
    file.write_text("\ufeffx,y,name,height,width,seen by\n1,2.5,a.jpg,40,30,me\n", "utf-8")
    assert read_boxes(file) == {"a.jpg": {"x": 1, "y": 2.5, "width": 30, "height": 40}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,x,y,width\na,1,2,3\n", "no column height"),
        ("", "no column name, x, y, width, height"),
        ("name,x,y,width,height\na,1,2,three,4\n", "line 2: a box needs four numbers"),
        ("name,x,y,width,height\na,1,2,3\n", "line 2: a box needs four numbers"),
        ("name,x,y,width,height\na,1,2,3,0\n", "line 2: width and height must be greater than 0"),
        ("name,x,y,width,height\na,1,2,nan,4\n", "line 2: width and height must be"),
        ("name,x,y,width,height\na,1,2,3,4\na,1,2,3,4\n", "line 3: a already has a box"),
    ],
)
def test_an_error_in_the_boxes_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "boxes.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_boxes(file)


def test_a_summary_averages_defined_scores_and_counts_all_photos() -> None:
    summary = MethodSummary.of(
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

    assert summary.photos == 3
    assert summary.insertion == pytest.approx(0.6)
    assert summary.deletion == pytest.approx(0.15)
    assert summary.average_drop == 0.5
    assert summary.increase == 0.5
    assert summary.times_better_than_chance == pytest.approx(1)
    assert summary.pointing == 1
    assert summary.energy_in_box == 0.25


def test_a_summary_without_scores_is_nan() -> None:
    numbers = dict(vars(MethodSummary.of([TrustScores()])))
    assert numbers.pop("photos") == 1
    assert all(math.isnan(value) for value in numbers.values())
