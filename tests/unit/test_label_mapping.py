"""Which label stands for which class; Label Studio's tests have the rest."""

import pytest

from seewhy.annotations.label_mapping import ClassesOfLabel, ClassNames, Label, LabelMapping
from seewhy.errors import UnknownClass
from seewhy.schemas.labels import Labels

CLASSES = ClassNames(Labels(["tabby", "tiger cat", "crane", "crane"]))


def mapping(*labels: str, **alias: ClassesOfLabel) -> LabelMapping:
    return LabelMapping([Label(name, (name,)) for name in labels], alias, CLASSES)


def test_a_name_finds_all_classes_of_that_name_whatever_the_letter_case() -> None:
    found = mapping("Tiger_Cat", "CRANE", "zebra")
    assert [found.label_of(index) for index in range(4)] == [None, "Tiger_Cat", "CRANE", "CRANE"]
    assert (found.class_of("CRANE"), found.class_of("zebra")) == (2, None)
    assert found.unmapped == ("zebra",)


def test_of_two_labels_the_first_is_used_and_one_for_every_class_comes_last() -> None:
    found = mapping("any", "cat", "tabby", any="*", cat=("tabby", 1))
    assert [found.label_of(index) for index in range(3)] == ["cat", "cat", "any"]
    assert found.unmapped == ()


def test_an_alias_of_an_unknown_class_is_named() -> None:
    with pytest.raises(UnknownClass, match=r"^alias\.cat: the model has no class 9"):
        mapping("cat", cat=9)
