"""The documentation matches the files, links and modules of the repository."""

import re
from pathlib import Path

import pytest

from seewhy_api.http.problems import STATUS

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "core/seewhy",
    "api/seewhy_api",
    "worker/seewhy_worker",
    "models/seewhy_models",
    "loadtest/seewhy_loadtest",
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def package_folders() -> list[str]:
    return [
        str(init.parent.relative_to(ROOT))
        for package in PACKAGES
        for init in sorted((ROOT / package).rglob("__init__.py"))
    ]


@pytest.mark.parametrize("folder", package_folders())
def test_the_architecture_page_names_every_package_folder(folder: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    name = folder if folder in PACKAGES else Path(folder).name
    assert re.search(rf"^\s*{re.escape(name)}/ ", page, re.MULTILINE), (
        f"the page does not name {folder}"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_and_modules_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    for path in re.findall(
        r"`((?:core|api|worker|models|loadtest|tests|infra|benchmarks|docs|examples)/[\w/.-]+)`",
        text,
    ):
        assert (ROOT / path).exists(), path
    for dotted in re.findall(r"`(seewhy(?:_api|_worker|_loadtest)?(?:\.\w+)+)", text):
        parts = dotted.split(".")  # a module, a name in it, or an attribute of that name
        assert any(is_module(".".join(parts[: len(parts) - n])) for n in range(3)), dotted


def is_module(dotted: str) -> bool:
    """Whether a package or module of that name exists."""
    root, *rest = dotted.split(".")
    package = next(ROOT / folder for folder in PACKAGES if folder.endswith(f"/{root}"))
    path = package.joinpath(*rest)
    return path.is_dir() or path.with_suffix(".py").is_file()


def test_errors_map_to_the_documented_status_codes() -> None:
    assert {status.value for status in STATUS.values()} == {
        *(401, 403, 404, 406, 409, 410, 413, 415, 422, 429, 503)
    }
