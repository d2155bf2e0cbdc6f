"""Writes one report of several experiments: Markdown, HTML, JSON, and every arrival as CSV."""

import platform
import time
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import psutil

from pools.section import Plan, Section
from seewhy_loadtest.report.blocks import Block, Bullets, Code, Heading
from seewhy_loadtest.report.content import LIMITS, problem_block, setting_blocks
from seewhy_loadtest.report.files import write_arrivals, write_report
from seewhy_loadtest.report.html import html
from seewhy_loadtest.report.markdown import markdown

_LIMITS = (
    "The devices are simulated; everything else is real.",
    "All processes share this machine. What else ran on it is not in the report.",
    *LIMITS,
)


def write(plan: Plan, sections: Mapping[str, Section], *, command: str) -> Path:
    """Write the report of experiments, by name, and return its Markdown file."""
    header = {
        "command": command,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seewhy": version("seewhy"),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {psutil.cpu_count()} cores",
        "device": asdict(plan.profile),
        "seed": plan.seed,
    }
    problems = [problem for section in sections.values() for problem in section.problems]
    blocks: list[Block] = [Heading("A pool of workers under load", 1), Code(command)]
    blocks.append(problem_block(problems))
    for section in sections.values():
        blocks += [Heading(section.title), *section.blocks]
    blocks += [Heading("Limits of these figures"), Bullets(_LIMITS), *setting_blocks(header)]
    write_report(
        plan.out,
        markdown=markdown(blocks),
        html=html(blocks),
        document={
            **header,
            "problems": problems,
            "sections": {name: section.as_document() for name, section in sections.items()},
        },
    )
    for name, section in sections.items():
        if section.stages:
            write_arrivals(plan.out / f"{name}.csv", [record for record, _ in section.stages])
    return plan.out / "report.md"
