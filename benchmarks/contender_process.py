"""Contenders as child processes; `contenders/contender_server.py` documents the protocol."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONTENDERS = Path(__file__).parent / "contenders"
OWN_PYTHON = ROOT / ".venv" / "bin" / "python"
REFERENCES_PYTHON = ROOT / "build" / "references" / "bin" / "python"
PLAIN, SEEWHY, SEEWHY_TENSORFLOW = "plain forward pass", "seewhy", "seewhy on TensorFlow"
CONTENDER_COMMANDS: dict[str, tuple[Path, *tuple[str, ...]]] = {
    PLAIN: (OWN_PYTHON, "plain_forward.py"),
    SEEWHY: (OWN_PYTHON, "seewhy_explainer.py", "worker"),
    SEEWHY_TENSORFLOW: (OWN_PYTHON, "seewhy_explainer.py", "tensorflow"),
    "tf-keras-vis": (REFERENCES_PYTHON, "tf_keras_vis_gradcam.py"),
    "pytorch-grad-cam": (REFERENCES_PYTHON, "pytorch_grad_cam_vgg16.py"),
    "classic recipe, eager": (OWN_PYTHON, "eager_recipe.py"),
}
"""Interpreter, script and arguments of each contender."""


class Contender:
    """A child process that explains on request."""

    def __init__(self, python: Path, script: str, *arguments: str) -> None:
        self._command = [str(python), str(CONTENDERS / script), *arguments]
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.peak_bytes = 0

    def seconds(self, **case: Any) -> float:
        """Explain once and return the seconds. Raises `RuntimeError` if the process has exited."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(case), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(
                f"{self._command} exited with status {self._process.wait()} at {case}"
            )
        response = json.loads(line)
        self.peak_bytes = response["peak_bytes"]
        return float(response["seconds"])

    def warm_seconds(self, **case: Any) -> float:
        """Explain twice, because the first call compiles; return the seconds of the second call."""
        self.seconds(**case)
        return self.seconds(**case)

    def close(self) -> None:
        """Close the input, at which the process exits."""
        self._process.communicate()


@contextmanager
def start_contenders(names: Sequence[str]) -> Iterator[dict[str, Contender]]:
    """Run these contenders inside the block."""
    with ExitStack() as stack:
        contenders = {}
        for name in names:
            contenders[name] = Contender(*CONTENDER_COMMANDS[name])
            stack.callback(contenders[name].close)
        yield contenders
