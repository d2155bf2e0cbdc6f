"""The parts of the Label Studio backend in a process of the API."""

from dataclasses import dataclass
from functools import partial

from seewhy.broker.wakeups import WakeupPublisher
from seewhy.catalog.catalog import Catalog
from seewhy.imaging.pixel_budget import PixelBudget
from seewhy.jobs.submit_service import SubmitService
from seewhy.settings import Settings
from seewhy.storage.port import ObjectStore
from seewhy_api.label_studio.agreements import AgreementStore
from seewhy_api.label_studio.annotation_events import LateTasksEvent, StoredEvent
from seewhy_api.label_studio.annotation_jobs import AnnotationJobs
from seewhy_api.label_studio.client import LabelStudioClient
from seewhy_api.label_studio.event_inbox import EventInbox
from seewhy_api.label_studio.late_tasks import LateTasks, keep_for_later
from seewhy_api.label_studio.prediction import PredictionBuilder
from seewhy_api.label_studio.predictor import Predictor, ReadJob
from seewhy_api.label_studio.projects import Projects
from seewhy_api.label_studio.push import Pushes
from seewhy_api.label_studio.task_images import TaskImages
from seewhy_api.label_studio.task_jobs import TaskJobs
from seewhy_api.label_studio.task_scores import TaskScores
from seewhy_api.label_studio.task_turns import TaskTurns


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelStudioBackend:
    """What the routes of the backend use."""

    projects: Projects
    predictor: Predictor
    agreements: AgreementStore
    inbox: EventInbox | None
    """None without a Label Studio: then events are ignored."""


def create_backend(
    settings: Settings,
    *,
    catalog: Catalog,
    store: ObjectStore,
    submit_service: SubmitService,
    wakeups: WakeupPublisher,
    read_job: ReadJob,
    pixels: PixelBudget,
) -> LabelStudioBackend:
    """Build the backend, without connecting to any server."""
    key, client, pushes = settings.label_studio_api_key, None, None
    if settings.label_studio_url:
        client = LabelStudioClient(
            settings.label_studio_url,
            api_key=key.get_secret_value() if key else None,
            timeout_s=settings.image_url_timeout_s,
        )
        pushes = Pushes(
            settings.label_studio_url,
            store=store,
            wake=lambda: wakeups.notify_dispatchers(times=1),
        )
    projects, agreements = Projects(store), AgreementStore(store)
    images = TaskImages(client, max_bytes=settings.max_upload_bytes)
    task_jobs = TaskJobs(
        submit_service=submit_service, images=images, pushes=pushes if key else None
    )
    inbox, keep_late = None, None
    if pushes:
        jobs = AnnotationJobs(
            catalog=catalog,
            default_model=settings.default_model,
            submit_service=submit_service,
            projects=projects,
            images=images,
            pushes=pushes,
            agreements=agreements,
            scores=TaskScores(client, TaskTurns()) if client and key else None,
        )
        late = LateTasks(
            catalog=catalog, store=store, projects=projects, jobs=task_jobs, pushes=pushes
        )
        inbox = EventInbox(store, handle=partial(_handle, jobs, late))
        keep_late = partial(keep_for_later, accept=inbox.accept)
    return LabelStudioBackend(
        projects=projects,
        predictor=Predictor(
            catalog=catalog,
            default_model=settings.default_model,
            jobs=task_jobs,
            read_job=read_job,
            predictions=PredictionBuilder(store=store, pixels=pixels),
            projects=projects,
            pushes=pushes if key else None,
            keep_late=keep_late if key else None,
        ),
        agreements=agreements,
        inbox=inbox,
    )


def _handle(jobs: AnnotationJobs, late: LateTasks, stored: StoredEvent) -> bool:
    """Handle what waited in the inbox. Returns and raises as the handlers do."""
    if isinstance(stored.event, LateTasksEvent):
        late.handle(stored.event, stored)
        return True
    return jobs.handle(stored)
