"""What the dispatcher does with a job that is for Label Studio."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from seewhy.catalog.catalog import Catalog
from seewhy.imaging.pixel_budget import PixelBudget
from seewhy.ledger.types import JobRecord
from seewhy.schemas.job import Job
from seewhy.settings import Settings
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.label_studio.agreement_inputs import is_for_annotation
from seewhy_api.label_studio.agreement_measurer import AgreementMeasurer
from seewhy_api.label_studio.agreements import AgreementStore
from seewhy_api.label_studio.client import LabelStudioClient
from seewhy_api.label_studio.prediction import PredictionBuilder
from seewhy_api.label_studio.push import (
    ASKING_TIMEOUT_S,
    DRAWING_TIMEOUT_S,
    PredictionPusher,
    Pushed,
)
from seewhy_api.label_studio.task_scores import TaskScores
from seewhy_api.label_studio.task_turns import TaskTurns


@dataclass(frozen=True, slots=True)
class PreparedPush:
    """What is pushed, and how."""

    subject: str
    push: Callable[[], Pushed] | None
    """Raises as the pushers do; None without the API key of Label Studio."""


class LabelStudioPusher:
    """Pushes predictions, and measures agreements. Thread-safe."""

    def __init__(
        self, *, agreements: AgreementMeasurer, predictions: PredictionPusher | None
    ) -> None:
        """Without `predictions`, those of earlier settings wait for a dispatcher that has them."""
        self._agreements = agreements
        self._predictions = predictions

    def prepare(self, record: JobRecord) -> PreparedPush:
        """Return what follows the end of a job. Raises `ValueError` for an invalid record."""
        if is_for_annotation(Job.model_validate_json(record.job)):
            return PreparedPush("agreement", partial(self._agreements.push, record))
        predictions = self._predictions
        return PreparedPush(
            "prediction", partial(predictions.push, record) if predictions else None
        )


def create_pusher(settings: Settings) -> LabelStudioPusher | None:
    """Build a pusher of its own process; None without a Label Studio."""
    if settings.label_studio_url is None:
        return None
    store, catalog = open_store(settings), Catalog.load(settings)
    pixels = PixelBudget(pixels=settings.api_megapixels * 1_000_000, timeout_s=DRAWING_TIMEOUT_S)
    key, client, turns = settings.label_studio_api_key, None, TaskTurns()
    if key:
        client = LabelStudioClient(
            settings.label_studio_url,
            api_key=key.get_secret_value(),
            timeout_s=ASKING_TIMEOUT_S,
        )
    return LabelStudioPusher(
        agreements=AgreementMeasurer(
            catalog=catalog,
            store=store,
            pixels=pixels,
            agreements=AgreementStore(store),
            scores=TaskScores(client, turns) if client else None,
            turns=turns,
        ),
        predictions=PredictionPusher(
            catalog=catalog,
            store=store,
            client=client,
            predictions=PredictionBuilder(store=store, pixels=pixels),
            turns=turns,
        )
        if client
        else None,
    )
