"""A project at one moment: its labels, its options, and the version of its predictions."""

from dataclasses import dataclass

from seewhy.catalog.model_spec import ModelSpec
from seewhy_api.label_studio.class_mapping import ClassMapping
from seewhy_api.label_studio.label_config import LabelConfig, parse_label_config
from seewhy_api.label_studio.options import BackendOptions


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectView:
    """What predictions for a project are made with."""

    config: LabelConfig
    mapping: ClassMapping
    options: BackendOptions
    version: str

    def shows(self, class_index: int) -> bool:
        """Whether a control tag has a label for a class."""
        controls = self.config.controls
        return any(self.mapping.label_of(each, class_index) is not None for each in controls)


def view_project(
    label_config: str, options: BackendOptions, *, spec: ModelSpec, version: str
) -> ProjectView:
    """Check a project. Raises `InvalidRequest` or a subclass for a mistake in it."""
    config = parse_label_config(label_config)
    return ProjectView(
        config=config,
        mapping=ClassMapping(config, options, spec.labels),
        options=options,
        version=version,
    )
