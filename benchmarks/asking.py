"""The contenders as processes that explain when they are asked to (contenders/answering.py)."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CONTENDERS = Path(__file__).parent / "contenders"
OWN, OTHERS = ROOT / ".venv" / "bin" / "python", ROOT / "build" / "references" / "bin" / "python"
PLAIN, OURS = "plain forward pass", "seewhy"
# Name → script, interpreter.
FIELD = {
    PLAIN: ("plain.py", OWN),
    OURS: ("ours.py", OWN),
    "tf-keras-vis": ("keras_vis.py", OTHERS),
    "pytorch-grad-cam": ("torch_cam.py", OTHERS),
    "classic recipe, eager": ("recipe.py", OWN),
}


class Contender:
    """A process that explains when it is asked to."""

    def __init__(self, script: str, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, CONTENDERS / script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.peak_bytes = 0

    def seconds(self, **case: Any) -> float:
        """Explain once; raises `RuntimeError` when the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(case), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()} at {case}")
        answer = json.loads(line)
        self.peak_bytes = answer["peak_bytes"]
        return float(answer["seconds"])

    def warm(self, **case: Any) -> float:
        """Explain twice, as the first time compiles; return the seconds of the second."""
        self.seconds(**case)
        return self.seconds(**case)

    def close(self) -> None:
        """End the process by ending its input."""
        self._process.communicate()


@contextmanager
def started(names: Sequence[str]) -> Iterator[dict[str, Contender]]:
    """Start these contenders, and end them at the end."""
    with ExitStack() as stack:
        contenders = {}
        for name in names:
            contenders[name] = Contender(*FIELD[name])
            stack.callback(contenders[name].close)
        yield contenders
