"""`explain_many` against a real API with a stub worker, stopped and killed in the middle."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from awaited_client import Connect, both_clients
from images import encoded, gradient
from optionals import present
from seewhy.client import Client, ImageId, Progress, to_pandas
from seewhy.ledger.redis.client.keys import job_key
from seewhy.schemas.job import JobState
from servers.process_cluster import running_api
from servers.valkey import RedisServer
from servers.waiting import wait_until

SCRIPT = """
import sys
from pathlib import Path
from seewhy.client import Client
url, folder, journal = sys.argv[1:]
with Client(url) as client:
    images = sorted(Path(folder).iterdir())
    for result in client.explain_many(images, max_open=12, resume=journal, targets=[1]):
        print(result.image.name, result.resumed, flush=True)
"""


@pytest.fixture(scope="module")
def url(valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # Without the cache, an image that is asked twice is two jobs.
    directory = tmp_path_factory.mktemp("many")
    with running_api(valkey, directory, cache_ttl_s=0) as cluster:
        cluster.start_stub_worker(batch_ms=50)
        yield cluster.url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(40):
        (folder / f"{n:02}.png").write_bytes(encoded(gradient(20 + n, 16), "PNG"))
    return folder


class JobCount:
    """How many jobs the ledger has got since."""

    def __init__(self, valkey: RedisServer) -> None:
        self._valkey = valkey
        self._before = self._count()

    def new(self) -> int:
        return self._count() - self._before

    def _count(self) -> int:
        with self._valkey.client() as redis:
            return sum(1 for _ in redis.scan_iter(job_key("*"), count=10_000))


@both_clients
def test_images_of_all_kinds_are_explained_and_errors_stop_nothing(
    connect: Connect, url: str, folder: Path, valkey: RedisServer
) -> None:
    jobs = JobCount(valkey)
    files = sorted(folder.iterdir())[:10]
    (folder / "text.jpg").write_text("no image")
    steps: list[Progress] = []
    with connect(url) as client:
        sent = client.upload(files[0])
        images: list[Path | bytes | ImageId] = [*files, files[3].read_bytes(), sent]
        images += [folder / "missing.jpg", folder / "text.jpg"]
        results = list(
            client.explain_many(iter(images), max_open=6, on_progress=steps.append, targets=[2])
        )
    assert sorted(map(repr, (result.image for result in results))) == sorted(map(repr, images))
    errors = {result.image: result.error.code for result in results if result.error}
    assert errors == {
        folder / "missing.jpg": "unreadable_file",
        folder / "text.jpg": "unsupported_image",
    }
    for result in results:
        if result.error is None:
            explanation = present(result.explanation)
            assert explanation.status is JobState.SUCCEEDED
            assert [t.score.index for t in present(explanation.result).targets] == [2]
    assert jobs.new() == 12
    assert [step.done for step in steps] == list(range(1, 15))
    assert max(step.open for step in steps) <= 6
    assert (steps[-1].failed, steps[-1].open) == (2, 0)


@both_clients
def test_images_are_read_when_it_is_their_turn(connect: Connect, url: str, folder: Path) -> None:
    read: list[Path] = []

    def images() -> Iterator[Path]:
        for file in sorted(folder.iterdir()):
            read.append(file)
            yield file

    with connect(url) as client:
        results = client.explain_many(images(), max_open=4)
        next(results)
        assert len(read) <= 6
        results.close()


def test_a_killed_run_continues_and_asks_nothing_twice(
    url: str, folder: Path, valkey: RedisServer, tmp_path: Path
) -> None:
    jobs = JobCount(valkey)
    journal = tmp_path / "run.ndjson"
    command = [sys.executable, "-c", SCRIPT, url, str(folder), str(journal)]
    for lines in (3, 14):  # killed twice, with open batches each time
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        output = present(process.stdout)
        with output:
            for _ in range(lines):
                assert output.readline()
            process.kill()
        process.wait(timeout=30)
    assert jobs.new() < 40

    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    shown = dict(line.split() for line in ended.stdout.splitlines())
    assert sorted(shown) == [f"{n:02}.png" for n in range(40)]
    assert list(shown.values()).count("True") >= 13
    assert jobs.new() == 40
    assert not journal.with_name("run.ndjson.sending").exists()

    again = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert {line.split()[1] for line in again.stdout.splitlines()} == {"True"}
    assert jobs.new() == 40


class Killed(BaseException):
    """The process dies here."""


class DiesAfterSending(httpx2.HTTPTransport):
    """Loses the answer to the second batch, and with it the process."""

    batches = 0

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        if request.method == "POST" and request.url.path == "/v1/batches":
            self.batches += 1
            if self.batches == 2:
                response.read()
                response.close()
                raise Killed
        return response


def test_a_batch_whose_answer_was_lost_is_not_asked_twice(
    url: str, folder: Path, valkey: RedisServer, tmp_path: Path
) -> None:
    jobs = JobCount(valkey)
    images = sorted(folder.iterdir())[:9]
    journal = tmp_path / "run.ndjson"
    with Client(url, transport=DiesAfterSending()) as client, pytest.raises(Killed):
        list(client.explain_many(images, max_open=9, resume=journal))
    with journal.open("ab") as file:
        file.write(b'{"image": "cut o')
    images[4].touch()  # changed since: the service is asked about the new content

    with Client(url) as client:
        results = list(client.explain_many(images, max_open=9, resume=journal))
    assert sorted(result.image for result in results) == images
    assert all(result.error is None for result in results)
    wait_until(lambda: jobs.new() == 10, what="nine images and the changed one are jobs")


def test_a_batch_that_the_service_has_lost_is_asked_again(
    url: str, folder: Path, tmp_path: Path
) -> None:
    images = sorted(folder.iterdir())[:2]
    journal = tmp_path / "run.ndjson"
    with Client(url) as client:
        list(client.explain_many(images, resume=journal))
    header, sending, accepted, *_ = journal.read_text().splitlines()
    unknown = json.loads(accepted) | {"id": "0199c1e2-0000-7000-8000-000000000001"}
    journal.write_text("\n".join([header, sending, json.dumps(unknown), ""]))
    with Client(url) as client:
        results = list(client.explain_many(images, resume=journal))
        assert [result.resumed for result in results] == [False, False]
        resumed = list(client.explain_many(images, resume=journal))
        assert [result.resumed for result in resumed] == [True, True]
        assert present(resumed[0].explanation).overlay()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"journal": 1, "request": {"targets": [3]}}\n', "journal of another request"),
        ("a\n", "not a journal"),
        ("[1]\n", "not a journal"),
        ('{"journal": 2, "request": {}}\n', "not a journal"),
    ],
)
def test_another_file_is_no_journal(content: str, message: str, tmp_path: Path) -> None:
    journal = tmp_path / "run.ndjson"
    journal.write_text(content)
    with Client("http://127.0.0.1:9") as client, pytest.raises(ValueError, match=message):
        next(client.explain_many([b"image"], resume=journal))
    assert journal.read_text() == content


def test_a_journal_is_used_by_one_run_at_a_time(url: str, folder: Path, tmp_path: Path) -> None:
    journal = tmp_path / "run.ndjson"
    with Client(url) as client:
        first = client.explain_many(sorted(folder.iterdir())[:4], resume=journal)
        next(first)
        with pytest.raises(ValueError, match="in use by another process"):
            next(client.explain_many([b"image"], resume=journal))
        first.close()


def test_results_become_a_table(url: str, folder: Path) -> None:
    (folder / "text.jpg").write_text("no image")
    with Client(url) as client:
        images = [folder / "00.png", folder / "text.jpg"]
        results = sorted(client.explain_many(images, targets=[1, 2]), key=lambda r: str(r.image))
        table = to_pandas(results)
        batch = client.batches.create(images)
        client.batches.wait(batch)
        items = to_pandas(client.batches.results(batch))
    assert list(table["class_index"][:2]) == [1, 2]
    assert list(table["error"].fillna("")) == ["", "", "unsupported_image"]
    assert [Path(name).name for name in table["image"]] == ["00.png", "00.png", "text.jpg"]
    assert list(present(results[0].explanation).to_pandas()["target"]) == [0, 1]
    assert list(items["index"]) == [0, 1]
    assert list(items["status"]) == ["succeeded", "refused"]
