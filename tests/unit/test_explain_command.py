"""`seewhy explain` without a service: targets, options and overlay paths."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from html_explanations import TARGETS, explanation
from optionals import present
from seewhy.cli.commands.explain import Output, explain_photos
from seewhy.cli.commands.trust import TrustOptions, measure_trust
from seewhy.cli.terminal.arguments import parse_targets
from seewhy.cli.terminal.explain_options import ExplainOptions, parse_request
from seewhy.cli.terminal.explained_photos import ExplainedPhoto, save_files, table_of
from seewhy.cli.terminal.model_inputs import parse_inputs
from seewhy.cli.terminal.photos import overlay_paths
from seewhy.cli.terminal.score_options import parse_within
from seewhy.client import Explanation

SUCCEEDED = Explanation.model_validate(explanation(TARGETS[:1]) | {"priority": "batch"})
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


def parse(photos: list[Path], *, layers: str | None = None, html: bool = False) -> ExplainOptions:
    request = parse_request(model=None, targets="predicted", method="hirescam", layers=layers)
    return ExplainOptions.create(photos, request, out=None, html=html)


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


def test_inputs_are_names_with_one_or_several_numbers() -> None:
    assert parse_inputs(["age=41", "site = 0, -1.5,1e2"]) == {
        "age": (41.0,),
        "site": (0.0, -1.5, 100.0),
    }
    assert "inputs" not in parse([Path("a.jpg")]).request


def test_a_box_that_the_score_is_within_has_four_numbers() -> None:
    request = parse_request(
        model=None, targets="predicted", method="gradcam", within="120, 60.5,200,180"
    )
    box = {"x": 120.0, "y": 60.5, "width": 200.0, "height": 180.0}
    assert request["within"] == {"box": box}
    for text in ("120,60,200", "left,60,200,180", "nan,0,1,1", "1,2,3,4,5"):
        with pytest.raises(typer.BadParameter, match="is not X,Y,WIDTH,HEIGHT: write 120,60,200"):
            parse_within(text)
    with pytest.raises(typer.BadParameter, match="the width and the height must be above 0"):
        parse_within("0,0,9,-1")


@pytest.mark.parametrize(
    ("texts", "complaint"),
    [
        (["age"], "'age' is not NAME=NUMBERS: write age=41, or site=0,1,0"),
        (["=41"], "'=41' is not NAME=NUMBERS"),
        (["age="], "'' is not a number for 'age': write age=41"),
        (["age=old"], "'old' is not a number for 'age': write age=41"),
        (["site=1,nan"], "'nan' is not a number for 'site'"),
        (["age=1", "age=2"], "'age' is given twice: write several numbers as age=0,1,0"),
    ],
)
def test_inputs_that_cannot_be_read_are_refused_with_an_example(
    texts: list[str], complaint: str
) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        parse_inputs(texts)
    assert refused.value.message.startswith(f"--input: {complaint}")


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


class SavingClient:
    """A client whose files hold the name of what they would hold."""

    def submit(self, _: Path, **__: Any) -> Explanation:
        return SUCCEEDED

    def save(self, _: Explanation, path: Path, *, target: int = 0) -> Path:
        path.write_text(f"target {target}")
        return path


def test_a_page_is_saved_beside_the_overlay_and_named_in_the_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client: Any = SavingClient()
    photos = [tmp_path / "a.jpg"]
    for output in (Output.JSON, Output.NDJSON):
        assert explain_photos(client, parse(photos, html=True), output=output)
        shown = json.loads(capsys.readouterr().out)
        [one] = shown if output is Output.JSON else [shown]
        assert one["html"] == str(tmp_path / "a.seewhy.html")
    assert {path.name for path in tmp_path.iterdir()} == {"a.seewhy.jpg", "a.seewhy.html"}
    assert explain_photos(client, parse(photos), output=Output.JSON)
    assert "html" not in json.loads(capsys.readouterr().out)[0]


def test_the_table_has_a_column_for_pages_only_if_there_are_some() -> None:
    explained = ExplainedPhoto(explanation=SUCCEEDED, overlays=(Path("a.seewhy.jpg"),))
    with_page = replace(explained, page=Path("a.seewhy.html"))
    for one, columns in ((explained, ["overlay"]), (with_page, ["overlay", "page"])):
        table = table_of({Path("a.jpg"): one})
        assert [column.header for column in table.columns][5:] == columns
    assert list(table.columns[-1].cells) == ["a.seewhy.html"]


def test_a_page_of_an_earlier_run_is_kept(tmp_path: Path) -> None:
    client: Any = SavingClient()
    overlay = tmp_path / "a.seewhy.jpg"
    (tmp_path / "a.seewhy.html").write_text("earlier")
    explained = save_files(client, SUCCEEDED, overlay, html=True, keep=True)
    assert present(explained.page).read_text() == "earlier"
    assert overlay.read_text() == "target 0"
    save_files(client, SUCCEEDED, overlay, html=True)
    assert present(explained.page).read_text() == "target 0"


class UnservedModel:
    """A client of a service that has no worker for the model until its jobs expire."""

    def submit(self, _: Path, **__: Any) -> Explanation:
        return self._explanation(
            "queued", warnings=[{"code": "model_not_served", "detail": DETAIL}]
        )

    def wait(self, explanation: Explanation, **_: Any) -> Explanation:
        assert explanation.warnings
        return self._explanation("expired")

    def _explanation(self, status: str, **changes: Any) -> Explanation:
        return Explanation(
            id="1",
            status=status,
            model="vgg16",
            method="gradcam",
            priority="interactive",
            submitted_at="2026-01-01T00:00:00Z",
            links={"self": "/1"},
            **changes,
        )


DETAIL = "No worker has the model vgg16 loaded; the job waits for one. None has been seen yet."


@pytest.mark.parametrize("command", ["explain", "trust"])
def test_a_warning_of_the_service_is_printed_once_on_stderr(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client: Any = UnservedModel()
    photos = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    if command == "explain":
        assert not explain_photos(client, parse(photos))
    else:
        options = TrustOptions.parse(
            photos, methods="gradcam", target="predicted", model=None, boxes=None
        )
        assert not measure_trust(client, options, json_file=None)
    out, err = capsys.readouterr()
    assert err.count(f"Warning: {DETAIL}\n") == 1
    assert "model_not_served" not in out + err
