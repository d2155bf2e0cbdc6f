"""A real Label Studio in a process of its own, used as its page uses it: with a session."""

import os
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from seewhy.embedded.parent_guard import guarded
from seewhy.embedded.tcp_ports import free_port
from servers.process_cluster import kill_tree
from servers.waiting import wait_until

EMAIL = "annotator@example.com"
PASSWORD = "a-password-for-tests"  # noqa: S105
UPLOADS_PER_REQUEST = 100
"""Label Studio refuses more files in one request."""

TASKS_PER_PAGE = 100
"""With a thousand, its query has too many terms for SQLite."""


class RealLabelStudio:
    """A Label Studio with one user. It keeps its data when it is started again."""

    def __init__(self, command: str, folder: Path) -> None:
        self.command = command
        self.folder = folder
        self.files = folder / "files"
        """What its local files are below."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx2.Client(base_url=self.url, timeout=180)
        self.personal_token = ""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "label-studio.log").read_text("utf-8", errors="replace")

    def start(self, *, limit_s: float = 600.0) -> None:
        """Start it, and return when it answers. The first start makes the database."""
        arguments = ["start", "--no-browser", "--internal-host", "127.0.0.1"]
        arguments += ["--port", str(self.port), "--data-dir", str(self.folder)]
        with (self.folder / "label-studio.log").open("ab") as log:
            self._process = subprocess.Popen(
                guarded([self.command, *arguments, "--username", EMAIL, "--password", PASSWORD]),
                stdout=log,
                stderr=log,
                env=os.environ | _environment(self.folder, self.files),
            )
        wait_until(self._is_up, what="Label Studio to start", limit_s=limit_s)

    def kill(self) -> None:
        """Kill it and its children, if it runs."""
        if self._process and self._process.poll() is None:
            kill_tree(self._process)

    def log_in(self) -> None:
        """Log in with the form, keep the session, and create a personal access token."""
        token = self.client.get("/user/login/").cookies["csrftoken"]
        form = {"email": EMAIL, "password": PASSWORD, "csrfmiddlewaretoken": token}
        assert self.client.post("/user/login/", data=form).status_code == 302
        self.personal_token = self.call("POST", "token/")["token"]

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        """Send a request to the API; return the answer, or fail with it."""
        headers = {"X-CSRFToken": self.client.cookies["csrftoken"]}
        response = self.client.request(method, f"/api/{path}", headers=headers, **arguments)
        assert response.is_success, f"{response.status_code} {response.text}"
        return response.json() if response.content else None

    def create_project(self, photos: Iterable[tuple[str, bytes]], label_config: str) -> int:
        """Create a project with a task for each photo; return its id.

        The config comes last: Label Studio takes no uploads for one with several data keys.
        """
        project = int(self.call("POST", "projects", json={"title": "photos"})["id"])
        files = [(photo[0], photo) for photo in photos]
        for start in range(0, len(files), UPLOADS_PER_REQUEST):
            some = files[start : start + UPLOADS_PER_REQUEST]
            self.call("POST", f"projects/{project}/import", files=some)
        self.call("PATCH", f"projects/{project}", json={"label_config": label_config})
        return project

    def serve_folder(self, project: int, folder: Path) -> None:
        """Let the tasks of a project show the images in a folder of `files`."""
        path = f"storages/localfiles?project={project}"
        storage = {"project": project, "path": str(folder), "use_blob_urls": True}
        self.call("POST", path, json=storage)

    def connect(
        self,
        project: int,
        url: str,
        extra_params: Mapping[str, Any] | str,
        *,
        password: str | None = None,
    ) -> int:
        """Connect an ML backend to a project, with Basic authentication if it has a password.

        Returns its id.
        """
        backend = {
            "project": project,
            "title": "seewhy",
            "url": url,
            "is_interactive": True,
            "extra_params": extra_params,
        }
        if password:
            backend["auth_method"] = "BASIC_AUTH"
            backend |= {"basic_auth_user": "anyone", "basic_auth_pass": password}
        return int(self.call("POST", "ml", json=backend)["id"])

    def annotate_interactively(self, backend: int, task: int, *, drawn: Any) -> dict[str, Any]:
        """Ask a backend for a prediction, as the editor does after a region was drawn."""
        body = {"task": task, "context": {"result": [drawn]}}
        answer: dict[str, Any] = self.call(
            "POST", f"ml/{backend}/interactive-annotating", json=body
        )
        return answer

    def retrieve_predictions(self, project: int) -> str:
        """Retrieve predictions for all tasks of a project; return what Label Studio says."""
        return self.act_on_all_tasks(project, "retrieve_tasks_predictions")

    def act_on_all_tasks(self, project: int, action: str) -> str:
        """Do what a menu of the Data Manager offers; return what Label Studio says."""
        selected = {"selectedItems": {"all": True, "excluded": []}}
        path = f"dm/actions?id={action}&project={project}"
        return str(self.call("POST", path, json=selected)["detail"])

    def annotate(self, task: int, results: list[dict[str, Any]]) -> int:
        """Annotate a task, as a person does who submits it; return the id of the annotation."""
        path = f"tasks/{task}/annotations/"
        return int(self.call("POST", path, json={"result": results})["id"])

    def tasks_by_score(self, project: int, model_version: str) -> list[int]:
        """Return the ids of tasks as the Data Manager sorts them, the lowest score first."""
        self.call("PATCH", f"projects/{project}", json={"model_version": model_version})
        ordered = {"ordering": ["tasks:predictions_score"]}
        view = self.call("POST", "dm/views/", json={"project": project, "data": ordered})
        page = self.call("GET", f"tasks?view={view['id']}&project={project}&fields=all")
        return [int(task["id"]) for task in page["tasks"]]

    def tasks(self, project: int) -> list[dict[str, Any]]:
        """Return the tasks of a project, those with the lowest id first."""
        path = f"tasks?project={project}&fields=all&page_size={TASKS_PER_PAGE}"
        tasks: list[dict[str, Any]] = []
        page: dict[str, Any] = {"total": 1}
        while len(tasks) < page["total"]:
            page = self.call("GET", f"{path}&page={len(tasks) // TASKS_PER_PAGE + 1}")
            tasks += page["tasks"]
        return sorted(tasks, key=lambda task: task["id"])

    def count_predictions(self, project: int) -> int:
        """Return the number of predictions of a project, which is cheaper than to list them."""
        return int(self.call("GET", f"projects/{project}")["total_predictions_number"])

    def predictions(self, project: int) -> list[dict[str, Any]]:
        """Return the predictions of a project."""
        found: list[dict[str, Any]] = self.call("GET", f"predictions/?project={project}")
        return found

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            return self.client.get("/health", timeout=2).is_success
        except httpx2.TransportError:
            return False


def _environment(folder: Path, files: Path) -> dict[str, str]:
    """Keep Label Studio on this machine, and let it connect to a backend on this machine."""
    return {
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder),
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(files),
        "ML_BLOCK_LOCAL_IP": "false",
        "SSRF_PROTECTION_ENABLED": "false",
        "LATEST_VERSION_CHECK": "false",
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }


@contextmanager
def running_label_studio(command: str, folder: Path) -> Iterator[RealLabelStudio]:
    """Run a Label Studio with a user who is logged in until the block ends."""
    studio = RealLabelStudio(command, folder)
    try:
        studio.start()
        studio.log_in()
        yield studio
    finally:
        studio.kill()
        studio.client.close()
