"""`seewhy explain` without a service: targets, options and overlay paths."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seewhy.cli.commands.explain import ExplainOptions, overlay_paths
from seewhy.cli.terminal.arguments import parse_targets

stems = st.sampled_from(["cat", "dog", "cat.jpg", "cat.seewhy", "cat.jpg-2"])
photo_lists = st.lists(
    st.builds(
        lambda folder, stem, suffix: Path(folder) / f"{stem}.{suffix}",
        st.sampled_from(["a", "b"]),
        stems,
        st.sampled_from(["jpg", "png"]),
    ),
    max_size=12,
)


def parse(photos: list[Path], *, layers: str | None = None) -> ExplainOptions:
    return ExplainOptions.parse(
        photos, model=None, targets="predicted", method="hirescam", layers=layers, out=None
    )


def test_targets_are_a_keyword_or_comma_separated_names_and_indices() -> None:
    assert parse_targets("predicted") == "predicted"
    assert parse_targets("top:3") == "top:3"
    assert parse_targets("tiger cat, 281,") == ["tiger cat", 281]


def test_targets_can_be_json() -> None:
    assert parse_targets('{"against": 7}') == {"against": 7}
    assert parse_targets(' ["cat", {"why": 1, "not": [2]}]') == ["cat", {"why": 1, "not": [2]}]
    with pytest.raises(ValueError, match="Expecting"):
        parse_targets("{cat}")


def test_layers_are_comma_separated() -> None:
    assert "layer" not in parse([Path("a.jpg")]).request
    assert parse([Path("a.jpg")], layers="a, b").request["layer"] == ["a", "b"]


def test_the_method_is_part_of_the_request() -> None:
    assert parse([Path("a.jpg")]).request["method"] == "hirescam"


def test_an_overlay_is_saved_beside_its_photo_unless_a_folder_is_given() -> None:
    photo = Path("holiday/cat.png")

    assert overlay_paths([photo], out=None) == {photo: Path("holiday/cat.seewhy.jpg")}
    assert overlay_paths([photo], out=Path("out")) == {photo: Path("out/cat.seewhy.jpg")}


@given(photo_lists, st.sampled_from([None, Path("out")]))
def test_overlay_paths_are_unique_and_never_overwrite_a_photo(
    photos: list[Path], out: Path | None
) -> None:
    paths = overlay_paths(photos, out=out)

    assert set(paths) == set(photos)
    assert len(set(paths.values())) == len(paths)
    assert not set(paths.values()) & set(photos)


def test_overlays_of_an_earlier_run_are_not_explained() -> None:
    photos = [Path("cat.jpg"), Path("cat.seewhy.jpg"), Path("cat.seewhy.2.jpg")]

    assert list(parse(photos).overlays) == [Path("cat.jpg")]
    assert list(parse(photos[1:]).overlays) == photos[1:]
