"""Install the example package for the length of a test, as an operator would, without a network."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from seewhy.schemas.installed_methods import installed_methods, known_methods

SOURCE = Path(__file__).parents[1] / "examples" / "leaf_health"
METHOD = "elementwise-gradcam"


def install_example(folder: Path) -> None:
    """Build the example with its own build system, and install it into `folder`."""
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--no-compile"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder)]
    subprocess.run([*command, str(SOURCE)], check=True)


@contextmanager
def packages_of(folder: Path) -> Iterator[None]:
    """Use the packages in `folder`, and read the methods of all packages anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        _forget_methods()
        try:
            yield
        finally:
            _forget_methods()
            for name in [
                name for name in sys.modules if name.split(".")[0] in {"leaf_health", "odd_methods"}
            ]:
                del sys.modules[name]
    _forget_methods()


def _forget_methods() -> None:
    installed_methods.cache_clear()
    known_methods.cache_clear()
