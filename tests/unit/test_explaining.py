from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.cli.explaining import Wishes, overlay_paths, parse_targets

names = st.sampled_from(["cat", "dog", "cat.jpg", "cat.seewhy", "cat.jpg-2"])
photos = st.lists(
    st.builds(
        lambda folder, name, kind: Path(folder) / f"{name}.{kind}",
        st.sampled_from(["a", "b"]),
        names,
        st.sampled_from(["jpg", "png"]),
    ),
    max_size=12,
)


def test_targets_are_a_word_or_names_and_indices_between_commas() -> None:
    assert parse_targets("predicted") == "predicted"
    assert parse_targets("top:3") == "top:3"
    assert parse_targets("tiger cat, 281,") == ["tiger cat", 281]


def test_targets_may_be_written_as_a_request_has_them() -> None:
    assert parse_targets('{"against": 7}') == {"against": 7}
    assert parse_targets(' ["cat", {"why": 1, "not": [2]}]') == ["cat", {"why": 1, "not": [2]}]
    with pytest.raises(ValueError, match="Expecting"):
        parse_targets("{cat}")


def test_layers_stand_between_commas() -> None:
    photo = [Path("a.jpg")]
    one = {"model": None, "targets": "predicted", "method": "gradcam", "out": None}
    assert "layer" not in Wishes.read(photo, **one).options
    assert Wishes.read(photo, **one, layers="a, b").options["layer"] == ["a", "b"]


def test_an_overlay_lies_beside_its_photo_unless_a_folder_is_named() -> None:
    photo = Path("holiday/cat.png")

    assert overlay_paths([photo], out=None) == {photo: Path("holiday/cat.seewhy.jpg")}
    assert overlay_paths([photo], out=Path("out")) == {photo: Path("out/cat.seewhy.jpg")}


@given(photos, st.sampled_from([None, Path("out")]))
def test_no_two_photos_share_an_overlay(given_photos: list[Path], out: Path | None) -> None:
    places = overlay_paths(given_photos, out=out)

    assert set(places) == set(given_photos)
    assert len(set(places.values())) == len(places)
    assert not set(places.values()) & set(given_photos)


def test_overlays_of_an_earlier_run_are_not_explained_again() -> None:
    wishes = Wishes.read(
        [Path("cat.jpg"), Path("cat.seewhy.jpg"), Path("cat.seewhy.2.jpg")],
        model=None,
        targets="predicted",
        method="hirescam",
        out=None,
    )

    assert wishes.options["method"] == "hirescam"
    assert list(wishes.overlays) == [Path("cat.jpg")]
