"""The photos that a command line names."""

from pathlib import Path

import pytest

from seewhy.cli.terminal.photos import find_photos


def make_files(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def test_a_folder_stands_for_the_images_below_it(tmp_path: Path) -> None:
    make_files(tmp_path, "b.JPG", "a.png", "sub/c.webp", "notes.txt", ".hidden/d.jpg", "._e.jpg")
    found = find_photos([tmp_path])
    assert found == [tmp_path / name for name in ("a.png", "b.JPG", "sub/c.webp")]


def test_a_named_file_is_taken_whatever_its_name_and_only_once(tmp_path: Path) -> None:
    scan, photo = make_files(tmp_path, "scan.tif", "a.jpg")
    assert find_photos([scan, tmp_path, photo]) == [scan, photo]


def test_overlays_of_an_earlier_run_are_left_out(tmp_path: Path) -> None:
    photo, *overlays = make_files(tmp_path, "cat.jpg", "cat.seewhy.jpg", "cat.seewhy.2.jpg")
    assert find_photos([photo, *overlays]) == [photo]
    assert find_photos(overlays) == overlays


def test_every_missing_path_is_named_with_the_nearest_name(tmp_path: Path) -> None:
    make_files(tmp_path, "cat.jpg")
    with pytest.raises(ValueError, match="no such file") as caught:
        find_photos([tmp_path / "cta.jpg", tmp_path / "cat.jpg", Path("no") / "where.png"])
    assert str(caught.value).splitlines() == [
        f"{tmp_path / 'cta.jpg'}: no such file or folder; did you mean {tmp_path / 'cat.jpg'}?",
        "no/where.png: no such file or folder",
    ]


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    make_files(tmp_path, "notes.txt")
    with pytest.raises(ValueError, match="no photos there"):
        find_photos([tmp_path])
