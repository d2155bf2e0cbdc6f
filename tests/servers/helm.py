"""The Helm chart, rendered by Helm 4 as a library, and Kubernetes' own schemas.

Both are in an environment of their own (`make helm`), because the library has 85 MB.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "build" / "helm" / "bin" / "python"
CHART = ROOT / "infra" / "helm" / "seewhy"
RELEASE = "demo"
NAME = f"{RELEASE}-seewhy"
NAMESPACE = "explain"

Values = Mapping[str, Any]
Manifest = dict[str, Any]

CASES: dict[str, dict[str, Any]] = {
    file.stem.removesuffix("-values"): yaml.safe_load(file.read_text())
    for file in sorted((CHART / "ci").glob("*-values.yaml"))
}
"""The sets of values that the chart is tested with, by name."""


class ChartError(Exception):
    """Helm refuses the values, or a template fails."""


class HelmChart:
    """The chart of infra/helm."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        """Ask a running `helm_process`."""
        self._process = process

    def render(self, values: Values, *, release: str = RELEASE) -> list[Manifest]:
        """Return all objects of a release. Raises `ChartError`."""
        answer = self._ask(values=values, name=release)
        if "error" in answer:
            raise ChartError(answer["error"])
        documents = (yaml.load_all(text, _UniqueKeys) for text in answer["files"].values())
        return [each for document in documents for each in document if each]

    def lint(self, values: Values) -> list[Manifest]:
        """Return what `helm lint --strict` finds."""
        messages: list[Manifest] = self._ask(lint=values)["messages"]
        return messages

    def mistakes(self, manifests: Sequence[Manifest], *, versions: Sequence[str]) -> list[str]:
        """Return what the strict schemas of these versions of Kubernetes refuse."""
        found: list[str] = self._ask(objects=manifests, versions=versions)["mistakes"]
        return found

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


class _UniqueKeys(yaml.CSafeLoader):
    """Refuses a mapping that has a key twice, which Helm and Kubernetes treat differently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key is there twice: {keys}"
        return super().construct_mapping(node, deep=deep)


@contextmanager
def helm_chart(log: Path) -> Iterator[HelmChart]:
    """Provide the chart for the length of the block."""
    command = [str(PYTHON), "-P", str(Path(__file__).with_name("helm_process.py")), str(CHART)]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
    with process:
        try:
            yield HelmChart(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()  # it exits


def kinds(manifests: Sequence[Manifest], kind: str) -> dict[str, Manifest]:
    """Return the objects of a kind by name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pod_specs(manifests: Sequence[Manifest]) -> dict[str, Manifest]:
    """Return the pod spec of everything that runs, by name."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in manifests
        if "template" in each.get("spec", {})
    }


def container(spec: Manifest) -> Manifest:
    """Return the only container of a pod."""
    (only,) = spec["containers"]
    return dict(only)


def environment(spec: Manifest) -> dict[str, str]:
    """Return the variables of a pod with a value in the manifest. Fails for a repeated name."""
    variables = container(spec).get("env", [])
    names = [variable["name"] for variable in variables]
    assert len(names) == len(set(names)), names
    return {each["name"]: each["value"] for each in variables if "value" in each}


def secrets(spec: Manifest) -> dict[str, tuple[str, str]]:
    """Return the variables of a pod that come from a Secret: its name and the key in it."""
    sources = {
        each["name"]: each["valueFrom"]["secretKeyRef"]
        for each in container(spec).get("env", [])
        if "valueFrom" in each
    }
    return {name: (source["name"], source["key"]) for name, source in sources.items()}
