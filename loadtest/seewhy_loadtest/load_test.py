"""One load test, from its options to its report and exit status."""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from seewhy.client.network import http_options
from seewhy.embedded.temporary_service import temporary_service
from seewhy.errors import SeewhyError
from seewhy.settings import Settings
from seewhy_loadtest.exit_status import ExitStatus, exit_status
from seewhy_loadtest.generation.images import default_image, read_images
from seewhy_loadtest.generation.schedules import make_schedule
from seewhy_loadtest.measures.summary import summarize
from seewhy_loadtest.noop_service import running_noop_service
from seewhy_loadtest.report.content import Results, conclusions, report
from seewhy_loadtest.report.document import header, stage_document
from seewhy_loadtest.report.files import write_arrivals, write_report
from seewhy_loadtest.report.html import html
from seewhy_loadtest.report.markdown import markdown
from seewhy_loadtest.stages.options import LoadOptions
from seewhy_loadtest.stages.record import StageRecord
from seewhy_loadtest.stages.stage import run_stage
from seewhy_loadtest.sweep import Sweep, run_sweep

STUB_SERVICE = "seewhy_loadtest.stub_service"


class ServiceNotReady(SeewhyError):
    """The service does not answer, or refuses the key."""

    code = "service_not_ready"


def run_load_test(options: LoadOptions, *, settings: Settings, command: str) -> ExitStatus:
    """Load the service, write the report, print it, and return the status.

    Raises `SeewhyError` and `OSError`.
    """
    images = [default_image()] if options.images is None else read_images(options.images)
    with service_url(options, settings) as url:
        head = header(
            options,
            command=command,
            service={"url": url, **describe_service(url, key=options.key)},
        )
        found = _run(options, url=url, images=images)
    status, problems = exit_status(
        [summary for _, summary in found.stages],
        sweep=options.sweep,
        self_check=options.self_check,
    )
    results = Results(
        header=head,
        stages=found.stages,
        problems=problems,
        saturated_per_s=found.saturated_per_s,
    )
    print(_write(options, results, found.saturation))
    return status


def _run(options: LoadOptions, *, url: str, images: Sequence[bytes]) -> Sweep:
    """Run one stage or a sweep."""
    if options.sweep:
        return run_sweep(
            options, url=url, images=images, progress=lambda line: print(line, file=sys.stderr)
        )
    schedule = make_schedule(options.schedule, options.all_steps, seed=options.seed)
    record = asyncio.run(run_stage(options, schedule, url=url, images=images))
    return Sweep(None, None, ((record, summarize(record, options.objectives)),))


@contextmanager
def service_url(options: LoadOptions, settings: Settings) -> Iterator[str]:
    """Yield the URL of the named service, or of a temporary one."""
    if options.self_check:
        with running_noop_service() as noop_url:
            yield noop_url
        return
    if options.url is not None:
        yield options.url
        return
    if options.model is not None:
        settings = settings.model_copy(update={"default_model": options.model})
    module = (STUB_SERVICE,) if options.stub else ("seewhy.cli", "up")
    with temporary_service(settings, module=module) as url:
        yield url


def describe_service(url: str, *, key: str | None) -> dict[str, Any]:
    """Return the version, the models and the workers of the service. Raises `ServiceNotReady`."""
    try:
        with httpx2.Client(**http_options(url, key=key), timeout=10) as http:
            models = http.get("/v1/models").raise_for_status().json()
            ready = http.get("/readyz").json()
            version = http.get("/openapi.json").json()["info"]["version"]
    except (httpx2.HTTPError, ValueError, KeyError) as error:
        raise ServiceNotReady(f"{url} cannot be loaded: {error}") from error
    return {"seewhy": version, "default_model": models["default"], "workers": ready.get("workers")}


def _write(options: LoadOptions, results: Results, saturation: StageRecord | None) -> str:
    """Write the report and return its Markdown."""
    folder = options.out or Path(time.strftime("load-%Y%m%d-%H%M%S"))
    blocks = report(results)
    text = markdown(blocks)
    document = {
        **results.header,
        "problems": results.problems,
        "saturated_per_s": results.saturated_per_s,
        "conclusions": list(conclusions(results.summaries, results.saturated_per_s)),
        "stages": [stage_document(*pair) for pair in results.stages],
    }
    write_report(folder, markdown=text, html=html(blocks), document=document)
    records = [record for record, _ in results.stages]
    write_arrivals(folder / "arrivals.csv", records)
    if saturation is not None:
        write_arrivals(folder / "saturation.csv", [saturation])
    return f"{text}\nThe report is in {folder}."
