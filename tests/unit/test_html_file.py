"""The HTML file of an explanation holds everything, loads nothing, and reads no text as HTML."""

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from html_explanations import MAPS, explanation, other_maps, page, photo, read_npy, target

HOSTILE = '</script><img src=x onerror="alert(1)">\u2028<!--\'&amp;'


class Parts(HTMLParser):
    """The elements of a page, and the text in each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts[self._open][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def data(self) -> Any:
        return json.loads(self.texts["script"][0])

    @property
    def policy(self) -> str:
        [policy] = [meta["content"] for meta in self.all("meta") if "http-equiv" in meta]
        assert policy is not None
        return policy


def hash_of(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def test_the_policy_allows_the_script_and_the_style_of_the_file_and_nothing_else() -> None:
    parts = Parts(page())
    _, script = parts.texts["script"]
    [style] = parts.texts["style"]
    directives = dict(part.strip().split(" ", 1) for part in parts.policy.split(";"))
    assert directives == {
        "default-src": "'none'",
        "script-src": hash_of(script),
        "style-src": hash_of(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_the_file_names_no_other_file_and_no_other_site() -> None:
    text = page()
    parts = Parts(text)
    assert not any("src" in attributes for attributes in parts.all("script"))
    assert parts.all("link") == []
    assert all((image["src"] or "").startswith("data:image/jpeg;") for image in parts.all("img"))
    assert set(re.findall(r"https?://[\w./]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\b(?:import|export)[ {]|\bimport\(|@import|url\(", text, re.MULTILINE)


def test_maps_and_photo_are_stored_exactly() -> None:
    other = np.flip(MAPS).copy()
    document = explanation(others=[other_maps("layercam", linear=False)])
    parts = Parts(page(document, maps=(MAPS, other)))
    stored = [read_npy(base64.b64decode(body)) for body in parts.data["maps"]]
    np.testing.assert_array_equal(stored[0], MAPS)
    np.testing.assert_array_equal(stored[1], other)
    [image] = parts.all("img")
    source = image["src"]
    assert source is not None
    assert base64.b64decode(source.partition("base64,")[2]) == photo()


def test_text_of_the_explanation_is_never_html() -> None:
    document = explanation([target(0, HOSTILE)], maps=MAPS[:1], id=HOSTILE, model=HOSTILE)
    document["result"] |= {"layer": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    parts, plain = Parts(page(document, maps=(MAPS[:1],))), Parts(page())
    assert len(parts.all("img")) == len(plain.all("img")) == 1
    assert len(parts.all("script")) == 2
    assert parts.data["result"]["targets"][0]["score"]["label"] == HOSTILE
    assert (parts.data["model"], parts.data["id"]) == (HOSTILE, HOSTILE)
    assert parts.texts["h1"] == [f"{HOSTILE}: 50 %"]


def test_the_json_contains_no_character_with_a_meaning_in_html() -> None:
    text = page(explanation([target(0, HOSTILE)], maps=MAPS[:1]), maps=(MAPS[:1],))
    [data] = re.findall(r'<script type="application/json" id="explanation">(.*?)</script>', text)
    assert re.findall(r"[<>&\u2028\u2029]", data) == []


def test_the_file_holds_nothing_private() -> None:
    text = page()
    assert "secret" not in text
    assert set(Parts(text).data) == {
        "id", "model", "submitted_at", "finished_at", "result", "maps", "view",
    }  # fmt: skip


def test_classes_and_verdicts_are_there_without_the_script() -> None:
    targets = [
        target(0, "cat", rivals=[target(1, "dog")["score"]]),
        target(2, "fox", against=True, verdict="all_negative"),
    ]
    parts = Parts(page(explanation(targets, maps=MAPS[:2]), maps=(MAPS[:2],)))
    assert parts.texts["th"][3:] == ["cat, not dog", "against fox"]
    assert parts.texts["td"][3] == "all_negative"
    assert parts.texts["p"][-1] == "The map needs JavaScript, which is turned off here."


def test_without_a_photo_there_is_no_image_and_a_score_may_be_missing() -> None:
    unknown = target(0, "cat")
    unknown["score"]["probability"] = None
    document = explanation([unknown], maps=MAPS[:1])
    parts = Parts(page(document, maps=(MAPS[:1],), with_photo=False))
    assert parts.all("img") == []
    assert parts.texts["h1"] == ["cat: \N{EN DASH}"]


def test_a_number_that_json_does_not_have_is_refused() -> None:
    document = explanation()
    document["result"]["targets"][0]["maximum"] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        page(document)


def test_the_file_without_photo_is_small() -> None:
    body = page(with_photo=False).encode()
    assert len(body) <= 60_000
    assert len(gzip.compress(body)) <= 21_000
