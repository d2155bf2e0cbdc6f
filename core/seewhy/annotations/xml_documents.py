"""XML documents from elsewhere, parsed with limits, and the texts in them."""

import re
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from seewhy.annotations.annotation import number
from seewhy.errors import InvalidAnnotation

MAX_CHARACTERS = 64_000_000
MAX_ELEMENTS = 1_000_000
_UNWRITABLE = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def parse_xml(text: str, *, root: str) -> Element:
    """Parse a document with this root element.

    Raises `InvalidAnnotation` when it is malformed, too long, or declares a document type, from
    which small documents can grow without bounds.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidAnnotation(f"the XML is longer than {MAX_CHARACTERS} characters")
    builder, elements = TreeBuilder(), 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal elements
        elements += 1
        if elements > MAX_ELEMENTS:
            raise InvalidAnnotation(f"the XML has more than {MAX_ELEMENTS} elements")
        builder.start(tag, attributes)

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, ValueError) as error:
        raise InvalidAnnotation(f"the XML is malformed: {error}") from error
    element = builder.close()
    if element.tag != root:
        raise InvalidAnnotation(f"the XML must have the root element {root}")
    return element


def _refuse_document_type(*_: object) -> NoReturn:
    raise InvalidAnnotation("the XML must not declare a document type or entities")


def integer(text: str | None, name: str) -> int:
    """Return an integer in a document. Raises `InvalidAnnotation`."""
    value = number(text, name)
    if not value.is_integer():
        raise InvalidAnnotation(f"{name} must be an integer")
    return int(value)


def label_of(text: str | None, name: str) -> str:
    """Return the label in a document. Raises `InvalidAnnotation` when there is none."""
    if not text:
        raise InvalidAnnotation(f"{name} is missing")
    return text


def writable(text: str) -> str:
    """Return a text without the characters that XML 1.0 cannot hold."""
    return _UNWRITABLE.sub("\ufffd", text)
