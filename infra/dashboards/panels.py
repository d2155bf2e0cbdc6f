"""Panels and dashboards, and their JSON for Grafana."""

from collections.abc import Sequence
from dataclasses import dataclass

GRID_COLUMNS = 24
SCHEMA_VERSION = 39
"""Later Grafanas migrate a dashboard when they load it."""
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL query, and how its series are named: `{{label}}` is a label's value."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """Values over time. `unit` is one of Grafana's: s, bytes, reqps, percentunit, short."""

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    stacked: bool = False
    columns: int = 8
    rows: int = 8

    def to_json(self) -> Json:
        """Return the members that depend on the kind of panel."""
        custom: Json = {"fillOpacity": 25 if self.stacked else 8, "showPoints": "never"}
        if self.stacked:
            custom["stacking"] = {"mode": "normal"}
        return {
            "type": "timeseries",
            "fieldConfig": _field_config({"unit": self.unit, "min": 0, "custom": custom}),
            "options": {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            },
        }


@dataclass(frozen=True, slots=True)
class Stat:
    """The last value, in green, or in red from `bad_from` on, or below `bad_below`."""

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    bad_from: float | None = None
    bad_below: float | None = None
    columns: int = 4
    rows: int = 4

    def to_json(self) -> Json:
        """Return the members that depend on the kind of panel."""
        return {
            "type": "stat",
            "fieldConfig": _field_config({"unit": self.unit, "thresholds": self._thresholds()}),
            "options": {
                "colorMode": "background",
                "graphMode": "none",
                "reduceOptions": {"calcs": ["lastNotNull"]},
            },
        }

    def _thresholds(self) -> Json:
        steps: list[Json] = [{"value": None, "color": "green"}]
        if self.bad_from is not None:
            steps.append({"value": self.bad_from, "color": "red"})
        if self.bad_below is not None:
            steps = [{"value": None, "color": "red"}, {"value": self.bad_below, "color": "green"}]
        return {"mode": "absolute", "steps": steps}


Panel = Graph | Stat


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard. `name` is that of its file, and part of its address."""

    name: str
    title: str
    description: str
    panels: tuple[Panel, ...]
    by_model: bool = False
    """Whether its reader chooses models: `$model` in queries."""

    def to_json(self) -> Json:
        """Return the dashboard as Grafana loads it."""
        return {
            "uid": f"seewhy-{self.name}",
            "title": self.title,
            "description": self.description,
            "tags": ["seewhy"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": False,
            "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"},
            "timezone": "browser",
            "links": [_link_to_the_others()],
            "templating": {"list": self._variables()},
            "panels": _place(self.panels),
        }

    def _variables(self) -> list[Json]:
        source: Json = {"name": "datasource", "label": "Data source", "type": "datasource"}
        variables = [source | {"query": "prometheus"}]
        if self.by_model:
            model: Json = {"name": "model", "label": "Model", "type": "query", "refresh": 2}
            query = {"query": "label_values(seewhy_workers, model)", "refId": "model"}
            choice = {"multi": True, "includeAll": True, "allValue": ".+"}
            everything = {"current": {"text": ["All"], "value": ["$__all"]}}
            variables.append(
                model | {"datasource": DATA_SOURCE, "query": query} | choice | everything
            )
        return variables


def _field_config(defaults: Json) -> Json:
    return {"defaults": defaults, "overrides": []}


def _link_to_the_others() -> Json:
    return {
        "type": "dashboards",
        "title": "seewhy",
        "tags": ["seewhy"],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
    }


def _place(panels: Sequence[Panel]) -> list[Json]:
    """Fill the grid from left to right, in lines of panels of one height."""
    placed: list[Json] = []
    x = y = 0
    for number, panel in enumerate(panels, 1):
        if x + panel.columns > GRID_COLUMNS:
            x, y = 0, y + panels[number - 2].rows
        placed.append(
            {
                "id": number,
                "title": panel.title,
                "description": panel.description,
                "datasource": DATA_SOURCE,
                "gridPos": {"x": x, "y": y, "w": panel.columns, "h": panel.rows},
                **panel.to_json(),
                "targets": [
                    {"refId": chr(ord("A") + index), "expr": query.expr}
                    | ({"legendFormat": query.legend} if query.legend else {})
                    for index, query in enumerate(panel.queries)
                ],
            }
        )
        x += panel.columns
    return placed
