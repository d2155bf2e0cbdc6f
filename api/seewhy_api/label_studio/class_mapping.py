"""Which label of a project stands for which class of a model."""

from seewhy.annotations.label_mapping import ClassNames, Label, LabelMapping
from seewhy.annotations.label_studio.results import ResultType
from seewhy.errors import InvalidRequest
from seewhy.quoting import quote
from seewhy.schemas.labels import Labels
from seewhy_api.label_studio.label_config import Control, LabelConfig
from seewhy_api.label_studio.options import BackendOptions


class ClassMapping:
    """The labels of each control tag of a project by the classes of a model."""

    unmapped: tuple[str, ...]
    """The labels that stand for no class."""

    def __init__(self, config: LabelConfig, options: BackendOptions, classes: Labels) -> None:
        """Raises `UnknownClass` when the options name a class that the model does not have."""
        names = ClassNames(classes)
        labels: dict[str, list[Label]] = {}
        for control in config.controls:
            labels.setdefault(control.tag.from_name, []).extend(control.labels)
        self._mappings = {
            from_name: LabelMapping(each, options.alias, names)
            for from_name, each in labels.items()
        }
        unmapped = (text for each in self._mappings.values() for text in each.unmapped)
        self.unmapped = tuple(dict.fromkeys(unmapped))

    def label_of(self, control: Control, class_index: int) -> str | None:
        """Return the label of a class in a control tag; None if it has none."""
        return self._mappings[control.tag.from_name].label_of(class_index)

    def class_of(self, from_name: str, text: str) -> int | None:
        """Return the first class that a label of a control tag stands for; None without one."""
        mapping = self._mappings.get(from_name)
        return mapping.class_of(text) if mapping else None

    def stands_for(self, from_name: str, text: str, class_index: int) -> bool:
        """Whether a label of a control tag stands for a class, which `*` does not."""
        mapping = self._mappings.get(from_name)
        return mapping is not None and mapping.stands_for(text, class_index)


def require_labels(config: LabelConfig, options: BackendOptions) -> None:
    """Raise `InvalidRequest` for an alias of no label."""
    names = {name for each in config.controls for label in each.labels for name in label.names}
    for alias in options.alias:
        if alias not in names:
            raise InvalidRequest(f"alias: the label config has no label {quote(alias)}.")


def has_regions(control: Control) -> bool:
    """Whether a control tag marks parts of the image, not the image as a whole."""
    return control.tag.type is not ResultType.CHOICES
