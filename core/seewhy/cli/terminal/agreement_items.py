"""Explanations of annotations as items of a data set, with their agreement as fields."""

from dataclasses import replace

from seewhy.cli.terminal.exported_items import fetch_item
from seewhy.client import Client, ItemResult, ItemStatus, MeasuredAgreement
from seewhy.datasets.dataset import DatasetItem
from seewhy.datasets.options import Shape


def fetch_measured(client: Client, index: int, measured: MeasuredAgreement) -> DatasetItem:
    """Fetch an explanation that was compared with an annotation. Raises as `fetch_item` does."""
    explanation = client.get(measured.explanation)
    item = ItemResult(
        index=index,
        key=f"task-{measured.task}-annotation-{measured.annotation}",
        status=ItemStatus(explanation.status.value),
        explanation=explanation,
    )
    fetched = fetch_item(client, item, shape=Shape.BOX, heatmaps=True, options={})
    return replace(fetched, fields=agreement_fields(measured))


def agreement_fields(measured: MeasuredAgreement) -> dict[str, float | bool]:
    """Return the numbers of an agreement without those that are undefined."""
    numbers = {
        **measured.agreement.model_dump(),
        "is_predicted": measured.is_predicted,
        "label_studio_task": measured.task,
        "label_studio_annotation": measured.annotation,
    }
    return {name: value for name, value in numbers.items() if value is not None}
