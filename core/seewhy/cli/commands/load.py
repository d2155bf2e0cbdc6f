"""`seewhy load`: a load test with an open-loop schedule, exact percentiles and one report."""

import json
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from seewhy.cli.terminal.arguments import KeyOption, ModelOption


class ScheduleOption(StrEnum):
    """The kinds of schedules."""

    POISSON = "poisson"
    BURST = "burst"
    CONSTANT = "constant"


_Url = Annotated[
    str | None,
    typer.Option(help="URL of the service. Without it, the command starts a temporary one."),
]
_Stub = Annotated[
    bool,
    typer.Option("--stub", help="The temporary service has a stub for the model."),
]
_Rate = Annotated[float, typer.Option(min=0.001, help="Requests per second.")]
_Duration = Annotated[float, typer.Option(min=0.1, help="Seconds of sending.")]
_Schedule = Annotated[
    ScheduleOption,
    typer.Option(help="How requests are distributed; `burst` has gamma gaps with CV 2."),
]
_Steps = Annotated[
    str | None,
    typer.Option(help="Rates and durations that follow each other, such as 25x20,75x30,25x60."),
]
_Sweep = Annotated[
    bool,
    typer.Option("--sweep", help="Saturate the service, then load it at each of the --rates."),
]
_Rates = Annotated[
    str,
    typer.Option(help="Of a sweep: shares of what the service can do, or requests per second."),
]
_KeepGoing = Annotated[
    bool, typer.Option("--keep-going", help="Sweep on when the service does not keep up.")
]
_SelfCheck = Annotated[
    bool,
    typer.Option("--self-check", help="Load a service that does nothing: check the generator."),
]
_Seed = Annotated[int, typer.Option(min=0, help="The seed of the schedule.")]
_Objectives = Annotated[
    list[str] | None,
    typer.Option(
        "--objective", help="A limit for the end-to-end latency: p95=2s. May be repeated."
    ),
]
_Request = Annotated[str, typer.Option(help="Fields of every request, as JSON.")]
_Images = Annotated[
    Path | None, typer.Option(exists=True, file_okay=False, help="A folder of JPEG files to send.")
]
_Processes = Annotated[int, typer.Option(min=1, max=64, help="Processes that send requests.")]
_Connections = Annotated[int, typer.Option(min=1, help="The most requests in flight.")]
_Drain = Annotated[float, typer.Option(min=0, help="Seconds to wait for the last job to end.")]
_Retry = Annotated[
    float, typer.Option(min=0, help="Seconds in which a request without an answer is repeated.")
]
_During = Annotated[
    str | None, typer.Option(help="A command that runs while requests are sent, such as a fault.")
]
_Out = Annotated[
    Path | None, typer.Option(help="Folder for the report.", show_default="load-DATE-TIME")
]


def load(
    context: typer.Context,
    url: _Url = None,
    key: KeyOption = None,
    model: ModelOption = None,
    stub: _Stub = False,
    rate: _Rate = 10.0,
    duration: _Duration = 60.0,
    schedule: _Schedule = ScheduleOption.POISSON,
    steps: _Steps = None,
    sweep: _Sweep = False,
    rates: _Rates = "10%,25%,50%,70%,80%,90%,95%,105%,120%",
    keep_going: _KeepGoing = False,
    self_check: _SelfCheck = False,
    seed: _Seed = 1,
    objectives: _Objectives = None,
    request: _Request = "{}",
    images: _Images = None,
    processes: _Processes = 1,
    connections: _Connections = 512,
    drain: _Drain = 300.0,
    retry: _Retry = 30.0,
    during: _During = None,
    out: _Out = None,
) -> None:
    """Load a service: requests at intended times, whatever it answers, and one report.

    Latencies count from the intended time. Prints the report, and writes it with all figures as
    report.md, report.html, report.json and arrivals.csv.

    Exits with status 0 if all went well, 1 after an error, 2 if an argument is wrong, 3 if an
    accepted job was lost or did not end, 4 if more than 0.1 % of the requests got no answer, 5 if
    an objective was missed (in a sweep, at every rate), and 6 if a self-check failed.
    """
    from seewhy.embedded.commands import exec_module

    # The options are parsed by `LoadOptions` there, by their names.
    exec_module("seewhy_loadtest", json.dumps(context.params, default=str), _shown_command(key))


def _shown_command(key: str | None) -> str:
    """Return the command line for the report, without the API key."""
    shown = shlex.join(["seewhy", *sys.argv[1:]])
    return shown.replace(key, "KEY") if key else shown
