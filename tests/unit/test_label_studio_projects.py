"""The options of projects, which several processes write."""

import threading
from pathlib import Path

import pytest

from seewhy.settings import load
from seewhy.storage.keys import label_studio_project_key
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.label_studio import projects
from seewhy_api.label_studio.options import BackendOptions
from seewhy_api.label_studio.projects import Project, ProjectDocument, Projects
from servers.waiting import wait_until


def test_the_latest_setup_counts_also_when_another_process_had_other_options(
    tmp_path: Path,
) -> None:
    store = open_store(load({}, store_url=f"file://{tmp_path}"))
    processes = [Projects(store), Projects(store)]
    key = label_studio_project_key("1", tenant="t")

    def set_up(process: Projects, wait_s: float) -> None:
        process.remember("1", Project(BackendOptions(wait_s=wait_s)), tenant="t")
        wait_until(
            lambda: (
                any(store.list_keys("label-studio/"))
                and ProjectDocument.model_validate_json(store.get(key)).options.wait_s == wait_s
            ),
            what="the options are stored",
        )

    for process, wait_s in zip([*processes, processes[0]], [1.0, 2.0, 1.0], strict=True):
        set_up(process, wait_s)
    assert Projects(store).read("1", tenant="t").options.wait_s == 1


def test_the_store_keeps_a_limited_number_of_projects_of_a_tenant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(projects, "MAX_PROJECTS", 2)
    store = open_store(load({}, store_url=f"file://{tmp_path}"))
    process = Projects(store)

    def set_up(name: str, wait_s: float, *, tenant: str = "t") -> None:
        process.remember(name, Project(BackendOptions(wait_s=wait_s)), tenant=tenant)

    def await_stored(count: int) -> None:
        wait_until(
            lambda: len([*store.list_keys("label-studio/")]) == count,
            what=f"{count} projects are stored",
        )

    for number, name in enumerate("12", start=1):
        set_up(name, 1)
        await_stored(number)
    set_up("3", 1)
    wait_until(lambda: "not one more" in caplog.text, what="a project is refused")
    set_up("1", 2)
    set_up("1", 3, tenant="other")
    await_stored(3)
    stored = Projects(store)
    assert [stored.read(name, tenant="t").options.wait_s for name in "123"] == [2, 1, 8]


def test_a_tenant_with_many_projects_does_not_evict_those_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, "MAX_REMEMBERED", 2)
    process = Projects(open_store(load({}, store_url=f"file://{tmp_path}")))
    process.remember("1", Project(BackendOptions(), version="mine"), tenant="t")
    for number in range(5):
        other = Project(BackendOptions(), version=str(number))
        process.remember(str(number), other, tenant="other")
    assert process.versions(tenant="t") == ("mine",)
    assert process.versions(tenant="other") == ("4", "3")


def test_the_projects_of_all_tenants_that_are_remembered_are_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projects, "MAX_REMEMBERED_TOTAL", 4)
    process = Projects(open_store(load({}, store_url=f"file://{tmp_path}")))

    def remember(tenant: str, number: int) -> None:
        project = Project(BackendOptions(), version=str(number))
        process.remember(str(number), project, tenant=tenant)

    for number in range(4):
        remember("many", number)
    for tenant in "abc":
        remember(tenant, 1)
    found = [process.versions(tenant=tenant) for tenant in ("many", *"abc")]
    assert found == [("3",), ("1",), ("1",), ("1",)]
    remember("d", 1)
    assert process.versions(tenant="many") == ()
    assert process.versions(tenant="d") == ("1",)


def test_a_tenant_whose_options_wait_to_be_written_does_not_delay_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    store = open_store(load({}, store_url=f"file://{tmp_path}"))
    process = Projects(store)
    held, written = threading.Event(), list[str]()
    request.addfinalizer(held.set)
    own, other = (label_studio_project_key("1", tenant=tenant) for tenant in ("t", "other"))

    def store_slowly(key: str, body: bytes) -> None:
        held.wait(60)
        written.append(key)

    monkeypatch.setattr(process, "_store_options", store_slowly)
    for number in range(1, 4):
        process.remember(str(number), Project(BackendOptions()), tenant="other")
    process.remember("1", Project(BackendOptions()), tenant="t")
    held.set()
    wait_until(lambda: len(written) == 4, what="all options are written")
    assert written[:2] == [other, own]
