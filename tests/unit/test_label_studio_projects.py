"""The options of projects, which several processes write."""

from pathlib import Path

from seewhy.settings import load
from seewhy.storage.keys import label_studio_project_key
from seewhy.storage.obstore_adapter import open_store
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
