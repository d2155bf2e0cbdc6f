"""The parts of a report, without a format."""

from collections.abc import Sequence
from dataclasses import dataclass

from seewhy_loadtest.report.charts import Chart


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 1 is the title."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph. `*words*` are emphasized, `**words**` strong."""

    text: str


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it is typed."""

    text: str


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list, with the marks of `Text`."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Charts:
    """Charts side by side. Only HTML shows them."""

    charts: Sequence[Chart]


Block = Heading | Text | Code | Bullets | Table | Charts
