"""The page of the status: what is wrong, failed jobs, and who may decide about them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from http_api import fail_next_job
from inspector_pages import THEMES, check_access, save_screenshot
from seewhy.access.api_key import ApiKey
from seewhy.access.key_store import KeyStore
from seewhy.access.records import Scope
from seewhy.client import Client
from seewhy.settings import load
from seewhy.storage.obstore_adapter import open_store
from servers.browser import Watch
from servers.explaining import UNSERVED_MODEL
from servers.process_cluster import MODEL, ProcessCluster, kill_tree, running_api
from servers.valkey import RedisServer

LEASE_S = 3.0


@pytest.fixture
def cluster(valkey: RedisServer, tmp_path: Path) -> Iterator[ProcessCluster]:
    """An API without keys and without a worker; a lost worker is noticed soon."""
    with running_api(valkey, tmp_path, lease_s=LEASE_S) as cluster:
        yield cluster


@pytest.fixture
def reader(tmp_path: Path) -> ApiKey:
    """A key without the scope `admin`. It exists before the API starts: it sees new ones later."""
    return create_key(tmp_path, Scope.READ, Scope.SUBMIT)


@pytest.fixture
def administrator(tmp_path: Path) -> ApiKey:
    """A key of the same tenant with every scope."""
    return create_key(tmp_path, *Scope)


@pytest.fixture
def guarded(
    valkey: RedisServer, tmp_path: Path, reader: ApiKey, administrator: ApiKey
) -> Iterator[ProcessCluster]:
    """An API that requires keys, without a worker."""
    assert reader.key_id != administrator.key_id
    with running_api(valkey, tmp_path, auth="keys") as cluster:
        yield cluster


def create_key(directory: Path, *scopes: Scope) -> ApiKey:
    settings = load({}, store_url=f"file://{directory}/objects")
    return KeyStore(open_store(settings)).create(tenant="a", scopes=scopes)[0]


def submit(cluster: ProcessCluster, photo: Path, *, key: str | None = None, model: str) -> str:
    with Client(cluster.url, key=key) as client:
        return client.submit(photo, model=model, cache=False).id


def fail(cluster: ProcessCluster, photo: Path, *, key: str | None = None, model: str) -> str:
    job_id = submit(cluster, photo, key=key, model=model)
    assert fail_next_job(cluster.settings, model=model) == job_id
    return job_id


def open_status(page: Page, cluster: ProcessCluster) -> None:
    page.goto(f"{cluster.url}/status")
    expect(page.get_by_role("heading", name="Status", level=1)).to_be_visible()


def test_a_killed_worker_is_noticed_and_named_at_the_top(
    cluster: ProcessCluster, page: Page, photos: Path
) -> None:
    worker = cluster.start_stub_worker()
    open_status(page, cluster)
    alerts = page.locator("#alerts")
    expect(page.get_by_role("table", name="Workers")).to_contain_text(MODEL)
    expect(alerts).to_have_text("✓ Nothing is wrong.")
    kill_tree(worker)
    for _ in range(2):
        submit(cluster, photos / "cat.jpg", model=MODEL)
    first = alerts.get_by_role("listitem").first
    expect(first).to_contain_text(f"No worker serves {MODEL}: 2 jobs wait")
    expect(first).to_contain_text("Now")
    expect(page).to_have_title("(1) Status · seewhy")
    expect(page.get_by_role("table", name="Queues").locator("tbody")).to_contain_text("no worker")
    cluster.start_stub_worker()
    expect(alerts).to_have_text("✓ Nothing is wrong.")
    expect(page.locator("#queues")).to_contain_text("No job is open.")
    expect(page).to_have_title("Status · seewhy")


def test_a_failed_job_is_retried_with_its_button_and_succeeds(
    cluster: ProcessCluster, page: Page, photos: Path
) -> None:
    job_ids = [fail(cluster, photos / "cat.jpg", model=MODEL) for _ in range(2)]
    cluster.start_stub_worker()
    open_status(page, cluster)
    rows = page.get_by_role("table", name="Failed jobs").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("It was a test. explainer_failed")
    assert page.locator("#letters a").first.get_attribute("href") == f"./#/e/{job_ids[0]}"
    with page.expect_response(f"**/{job_ids[0]}/retry") as retried:
        page.get_by_role("button", name=f"Retry job {job_ids[0]}").click()
    new_id = retried.value.json()["id"]
    expect(rows).to_have_count(1)
    expect(page.get_by_role("button", name=f"Retry job {job_ids[1]}")).to_be_focused()
    with Client(cluster.url) as client:
        assert client.wait(new_id, timeout_s=60).status == "succeeded"
    page.get_by_role("button", name=f"Dismiss job {job_ids[1]}").press("Enter")
    expect(page.locator("#letters")).to_contain_text("No failed job waits for a decision.")
    expect(page.locator("#alerts")).to_have_text("✓ Nothing is wrong.")


def test_a_job_that_cannot_be_retried_stays_with_the_reason(
    cluster: ProcessCluster, page: Page, watch: Watch, photos: Path
) -> None:
    job_id = fail(cluster, photos / "cat.jpg", model=MODEL)
    watch.failures_expected = True
    open_status(page, cluster)
    button = page.get_by_role("button", name=f"Retry job {job_id}")
    expect(button).to_be_visible()
    store = open_store(cluster.settings)
    for key in list(store.list_keys("jobs/")):
        store.delete(key)
    button.click()
    expect(page.get_by_role("alert").filter(has_text=job_id)).to_contain_text("Cannot retry")
    expect(button).to_be_enabled()


def test_without_the_scope_admin_the_page_only_shows_and_the_service_refuses(
    guarded: ProcessCluster,
    page: Page,
    watch: Watch,
    photos: Path,
    reader: ApiKey,
    administrator: ApiKey,
) -> None:
    job_id = fail(guarded, photos / "cat.jpg", key=reader.text, model=MODEL)
    watch.failures_expected = True  # 401 without a key
    page.goto(f"{guarded.url}/status")
    check_access(page, "status-key")
    page.get_by_label("API key").fill(reader.text)
    page.get_by_role("button", name="Use the key").click()
    letters = page.locator("#letters")
    expect(letters).to_contain_text(job_id)
    expect(letters).to_contain_text("Read-only")
    expect(letters.get_by_role("button")).to_have_text(["Use another key"])
    assert reader.secret not in page.url
    refused = page.evaluate(
        """async ([id, key]) => (await fetch(`v1/dead-letters/${id}/retry`,
            { method: "POST", headers: { Authorization: `Bearer ${key}` } })).status""",
        [job_id, reader.text],
    )
    assert refused == 403
    expect(letters).to_contain_text(job_id)
    page.get_by_role("button", name="Use another key").click()
    page.get_by_label("API key").fill(administrator.text)
    page.get_by_role("button", name="Use the key").click()
    page.get_by_role("button", name=f"Dismiss job {job_id}").click()
    expect(letters).to_contain_text("No failed job waits for a decision.")


def test_while_the_service_does_not_answer_its_last_state_stays(
    cluster: ProcessCluster, page: Page, watch: Watch, photos: Path
) -> None:
    submit(cluster, photos / "cat.jpg", model=UNSERVED_MODEL)
    watch.failures_expected = True
    open_status(page, cluster)
    expect(page.locator("#alerts")).to_contain_text(f"No worker serves {UNSERVED_MODEL}")
    kill_tree(cluster.processes[0])
    expect(page.locator("#offline")).to_contain_text("does not answer")
    expect(page.locator("#alerts")).to_contain_text(f"No worker serves {UNSERVED_MODEL}")
    save_screenshot(page, "status-offline")
    cluster.start_api()
    expect(page.locator("#offline")).to_be_hidden()


@pytest.mark.parametrize("way", ["hidden", "paused"])
def test_a_page_that_nobody_looks_at_asks_nothing(
    cluster: ProcessCluster, page: Page, watch: Watch, way: str
) -> None:
    page.clock.install()
    open_status(page, cluster)
    if way == "paused":
        page.get_by_role("button", name="Pause").click()
    else:
        page.evaluate(
            "Object.defineProperty(document, 'hidden', { get: () => true, configurable: true })"
        )
    page.clock.run_for(2_000)  # an answer that is on its way
    before = len(watch.requests)
    page.clock.run_for(600_000)
    assert len(watch.requests) == before
    with page.expect_response("**/v1/status"):
        if way == "paused":
            page.get_by_role("button", name="Resume").click()
        else:
            page.evaluate("delete document.hidden")
        page.clock.run_for(1_000)


@pytest.mark.parametrize("theme", THEMES)
def test_the_page_is_accessible_with_alerts_workers_and_failed_jobs(
    cluster: ProcessCluster, page: Page, photos: Path, theme: str
) -> None:
    cluster.start_stub_worker()
    fail(cluster, photos / "cat.jpg", model=UNSERVED_MODEL)
    submit(cluster, photos / "cat.jpg", model=UNSERVED_MODEL)
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    open_status(page, cluster)
    expect(page.get_by_role("table", name="Workers")).to_contain_text(MODEL)
    expect(page.get_by_role("table", name="Failed jobs")).to_contain_text("Retry")
    check_access(page, f"status-{theme}")
    page.set_viewport_size({"width": 320, "height": 640})
    check_access(page, f"status-{theme}-narrow")
    assert page.evaluate("document.documentElement.scrollWidth") == 320
