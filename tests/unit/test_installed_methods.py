"""Methods of installed packages that cannot be used are refused in words for the operator."""

from pathlib import Path

import numpy as np
import pytest

import networks
from example_package import packages_of
from seewhy.catalog.catalog import Catalog
from seewhy.errors import SettingsError, UnsupportedModel
from seewhy.schemas.installed_methods import method_names
from seewhy.schemas.job import MethodOptions
from seewhy.schemas.methods import METHODS
from seewhy.settings import load
from seewhy_worker.explain.types import ExplanationTask

MODULE = """
from seewhy.schemas.installed_methods import InstalledMethod

def method(formula, passes=1.0):
    return InstalledMethod(formula=formula, forward_passes=passes, reference="https://example.org")

GOOD = method(lambda activation, gradient, xp: xp.sum(activation * gradient, axis=-1))
FLAT = method(lambda activation, gradient, xp: xp.sum(activation * gradient, axis=(1, 2, 3)))
FAILING = method(lambda activation, gradient, xp: activation["secret"])
FREE = method(FLAT.formula, passes=0.0)
"""


def install(folder: Path, *, name: str, value: str) -> Path:
    """Write a package with one entry point, as an installer leaves it."""
    (folder / "odd_methods.py").write_text(MODULE)
    info = folder / "odd_methods-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-methods\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text(f"[seewhy.methods]\n{name} = {value}\n")
    return folder


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("gradcam", "odd_methods:GOOD", "there is a method of that name already"),
        ("classic", "odd_methods:GOOD", "there is a method of that name already"),
        ("Odd Cam", "odd_methods:GOOD", "at most 40 lower-case letters"),
        ("odd", "odd_methods:MISSING", "its import failed: AttributeError"),
        ("odd", "no_such_module:GOOD", "its import failed: ModuleNotFoundError"),
        ("odd", "odd_methods:method", "odd_methods:method is no `InstalledMethod`"),
        ("odd", "odd_methods:FREE", "with positive `forward_passes`"),
    ],
)
def test_an_entry_point_that_cannot_be_used_names_its_package(
    tmp_path: Path, name: str, value: str, complaint: str
) -> None:
    with (
        packages_of(install(tmp_path, name=name, value=value)),
        pytest.raises(SettingsError, match=complaint) as refusal,
    ):
        Catalog.load(load({}))
    assert f"the method {name} of odd-methods (entry points seewhy.methods)" in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("FLAT", r"returned an array of the shape \(1,\) where maps have \(1, 8, 8\)"),
        ("FAILING", r"its formula raised \w+. Choose another method; the log of the worker"),
    ],
)
def test_a_formula_that_fails_is_an_error_of_the_request(
    tmp_path: Path, value: str, complaint: str
) -> None:
    explainer = networks.make_explainer(networks.two_layer_cnn(), tmp_path, max_batch=1)
    prepared = explainer.prepare(np.zeros((12, 12, 3), np.uint8))
    task = ExplanationTask.create(prepared, [0], MethodOptions(method="odd"))
    with (
        packages_of(install(tmp_path, name="odd", value=f"odd_methods:{value}")),
        pytest.raises(UnsupportedModel, match=complaint) as refusal,
    ):
        explainer.explain([task])
    assert "secret" not in str(refusal.value)


def test_without_such_packages_there_are_the_methods_of_seewhy() -> None:
    assert method_names() == METHODS
