"""`explain_many` and `seewhy explain` with a real API and a stub worker, killed in the middle."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest
from typer.testing import CliRunner, Result

from awaited_client import Connect, both_clients
from images import encoded, gradient
from optionals import present
from seewhy.cli.app import app
from seewhy.cli.commands.explain import MAX_SINGLE_REQUESTS
from seewhy.client import Client, ImageId, JournalUnusable, Progress, to_pandas
from seewhy.embedded.tcp_ports import free_port
from seewhy.ledger.redis.client.keys import batch_key, job_key
from seewhy.schemas.job import JobState
from servers.process_cluster import ProcessCluster, running_api
from servers.receivers import answer, receiving
from servers.scripted import Response, scripted
from servers.valkey import RedisServer
from servers.waiting import wait_until
from service_documents import batch_document, result_line

SCRIPT = """
import os, signal, sys
from pathlib import Path
from seewhy.client import Client
url, folder, journal, results_until_killed = sys.argv[1:]
with Client(url) as client:
    images = sorted(Path(folder).iterdir())
    results = client.explain_many(images, max_open=12, resume=journal, targets=[1])
    for count, result in enumerate(results, start=1):
        print(result.image.name, result.resumed, flush=True)
        if count == int(results_until_killed):
            os.kill(os.getpid(), signal.SIGKILL)
"""

# Processes that a shell has started in the background ignore SIGINT, and so do their children.
INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from seewhy.cli.app import main
main()
"""


@pytest.fixture(scope="module")
def image_port() -> int:
    """The port of the web server from which the service may read images."""
    return free_port()


@pytest.fixture(scope="module")
def cluster(
    valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory, image_port: int
) -> Iterator[ProcessCluster]:
    """An API and a stub worker, which is the last process."""
    # Without the cache, an image that is asked twice is two jobs.
    directory = tmp_path_factory.mktemp("many")
    with running_api(
        valkey,
        directory,
        cache_ttl_s=0,
        image_url_hosts=f"localhost:{image_port}",
        image_url_networks="127.0.0.0/8, ::1/128",
    ) as cluster:
        cluster.start_stub_worker(batch_ms=50)
        yield cluster


@pytest.fixture
def url(cluster: ProcessCluster) -> str:
    return cluster.url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty photos."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for n in range(40):
        (folder / f"{n:02}.png").write_bytes(encoded(gradient(20 + n, 16), "PNG"))
    return folder


class JobCount:
    """How many jobs and batches the ledger has got since."""

    def __init__(self, valkey: RedisServer) -> None:
        self._valkey = valkey
        self._jobs = self._count(job_key("*"))
        self._batches = self._count(batch_key("*"))

    def new(self) -> int:
        return self._count(job_key("*")) - self._jobs

    def new_batches(self) -> int:
        return self._count(batch_key("*")) - self._batches

    def _count(self, pattern: str) -> int:
        with self._valkey.client() as redis:
            return sum(1 for _ in redis.scan_iter(pattern, count=10_000))


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
    assert 0 < max(step.open for step in steps) <= 6
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

    def explain_until(results: int) -> subprocess.CompletedProcess[str]:
        arguments = (url, str(folder), str(journal), str(results))
        command = [sys.executable, "-c", SCRIPT, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    for results in (3, 14):  # with open batches each time
        assert explain_until(results).returncode == -signal.SIGKILL
    assert jobs.new() < 40

    ended = explain_until(41)
    assert ended.returncode == 0, ended.stderr
    shown = dict(line.split() for line in ended.stdout.splitlines())
    assert sorted(shown) == [f"{n:02}.png" for n in range(40)]
    assert list(shown.values()).count("True") >= 13
    assert jobs.new() == 40
    assert not journal.with_name("run.ndjson.sending").exists()

    again = explain_until(41)
    assert {line.split()[1] for line in again.stdout.splitlines()} == {"True"}
    assert jobs.new() == 40


class Killed(BaseException):
    """The process dies here."""


class DiesAfterSending(httpx2.HTTPTransport):
    """Loses the answer to the last of some batches, and with it the process."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self.batches_left = batches

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        response = super().handle_request(request)
        if request.method == "POST" and request.url.path == "/v1/batches":
            self.batches_left -= 1
            if self.batches_left == 0:
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
    with Client(url, transport=DiesAfterSending(2)) as client, pytest.raises(Killed):
        list(client.explain_many(images, max_open=9, resume=journal))
    with journal.open("ab") as file:
        file.write(b'{"image": "cut o')
    images[4].touch()  # changed since: the service is asked about the new content

    with Client(url) as client:
        results = list(client.explain_many(images, max_open=9, resume=journal))
        assert sorted(result.image for result in results) == images
        assert all(result.error is None for result in results)
        resumed = list(client.explain_many(images, max_open=9, resume=journal))
        assert all(result.resumed for result in resumed)
    assert jobs.new() == 10


def test_a_batch_that_the_service_has_lost_is_asked_again_once(
    url: str, folder: Path, valkey: RedisServer, tmp_path: Path
) -> None:
    images = sorted(folder.iterdir())[:2]
    journal = tmp_path / "run.ndjson"
    with Client(url) as client:
        list(client.explain_many(images, resume=journal))
    header, sending, accepted, *_ = journal.read_text().splitlines()
    unknown = json.loads(accepted) | {"id": "0199c1e2-0000-7000-8000-000000000001"}
    journal.write_text("\n".join([header, sending, json.dumps(unknown), ""]))
    jobs = JobCount(valkey)
    with Client(url, transport=DiesAfterSending(1)) as client, pytest.raises(Killed):
        list(client.explain_many(images, resume=journal))
    with Client(url) as client:
        results = list(client.explain_many(images, resume=journal))
        assert [result.resumed for result in results] == [False, False]
        resumed = list(client.explain_many(images, resume=journal))
        assert [result.resumed for result in resumed] == [True, True]
        assert present(resumed[0].explanation).overlay()
    assert jobs.new() == 2


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
    with Client("http://127.0.0.1:9") as client, pytest.raises(JournalUnusable, match=message):
        next(client.explain_many([b"image"], resume=journal))
    assert journal.read_text() == content


@both_clients
def test_an_item_whose_result_was_deleted_is_asked_again(connect: Connect, tmp_path: Path) -> None:
    journal = tmp_path / "run.ndjson"
    refused = {"error": {"code": "unsupported_image", "detail": "no image"}}
    ended = Response(200, batch_document("finished", total=2, refused=2))
    with scripted(
        Response(202, batch_document(total=2, waiting=2)),
        ended,
        Response(200, result_line(0, "refused", **refused) + result_line(1, "gone", **refused)),
        Response(202, batch_document(total=1, waiting=1)),
        ended,
        Response(200, result_line(0, "refused", **refused)),
    ) as server:
        with connect(server.url) as client:
            results = list(client.explain_many([b"a", b"b"], resume=journal))
            again = list(client.explain_many([b"a", b"b"], resume=journal))
        sent = [request.body for request in server.requests if request.method == "POST"]
    assert [result.image for result in results] == [b"a", b"b"]
    assert [present(result.error).code for result in results] == ["unsupported_image"] * 2
    assert [len(body.splitlines()) for body in sent] == [2, 1]
    assert sent[0].endswith(sent[1])
    assert [result.resumed for result in again] == [True, True]


@both_clients
def test_an_item_that_waits_in_a_batch_that_has_ended_has_an_error(connect: Connect) -> None:
    with (
        scripted(
            Response(202, batch_document(total=1, waiting=1)),
            Response(200, batch_document("finished", total=1, waiting=1)),
            Response(200, result_line(0, "waiting")),
        ) as server,
        connect(server.url) as client,
    ):
        (result,) = client.explain_many([b"a"])
    assert present(result.error).code == "waiting"


@both_clients
def test_a_batch_that_is_too_large_for_the_service_is_divided(
    connect: Connect, tmp_path: Path
) -> None:
    images = [f"https://photos.example/{n}" for n in range(3)]
    lines = [json.dumps({"image_url": image}).encode() + b"\n" for image in images]
    journal = tmp_path / "run.ndjson"
    names = json.dumps(images[:2])
    journal.write_text(f'{{"journal": 1, "request": {{}}}}\n{{"batch": "a", "images": {names}}}\n')
    journal.with_name("run.ndjson.sending").write_bytes(b"".join(lines[:2]))
    too_large = Response(413, {"code": "batch_too_large"})
    accepted = Response(202, batch_document(total=1, waiting=1))
    ended = Response(200, batch_document("finished", total=1, refused=1))
    error = {"code": "unsupported_image", "detail": "no image"}
    refused = Response(200, result_line(0, "refused", error=error))
    with scripted(too_large, *[accepted] * 3, *[ended, refused] * 3) as server:
        with connect(server.url) as client:
            results = list(client.explain_many(images, resume=journal))
        sent = [request.body for request in server.requests if request.method == "POST"]
    assert [result.image for result in results] == images
    assert sent == [b"".join(lines[:2]), *lines]


@both_clients
def test_an_image_that_is_too_large_alone_ends_nothing_but_itself(
    connect: Connect, tmp_path: Path
) -> None:
    images = [f"https://photos.example/{n}" for n in range(4)]
    journal = tmp_path / "run.ndjson"
    too_large = Response(413, {"code": "batch_too_large", "detail": "It has 9 MB."})
    accepted = [Response(202, batch_document(total=n, waiting=n)) for n in range(3)]
    ended = [Response(200, batch_document("finished", total=n, refused=n)) for n in range(3)]
    error = {"code": "unsupported_image", "detail": "no image"}
    lines = [result_line(n, "refused", error=error) for n in range(2)]
    # Four, the first two and the third are too large; then the fourth and the first two are not.
    with scripted(
        *[too_large] * 3, accepted[1], accepted[2],
        ended[1], Response(200, lines[0]), ended[2], Response(200, b"".join(lines)),
    ) as server:  # fmt: skip
        with connect(server.url) as client:
            results = list(client.explain_many(images, resume=journal))
            again = list(client.explain_many(images, resume=journal))
        sent = [len(r.body.splitlines()) for r in server.requests if r.method == "POST"]
    assert sent == [4, 2, 1, 1, 2]
    refused, *others = results
    assert (refused.image, present(refused.error).detail) == (images[2], "It has 9 MB.")
    assert sorted(str(result.image) for result in others) == [images[0], images[1], images[3]]
    assert {present(result.error).code for result in others} == {"unsupported_image"}
    assert [result.resumed for result in again] == [True] * 4


def test_a_killed_run_continues_after_an_image_that_is_too_large_alone(tmp_path: Path) -> None:
    image = "https://photos.example/0"
    journal = tmp_path / "run.ndjson"
    journal.write_text(
        f'{{"journal": 1, "request": {{}}}}\n{{"batch": "a", "images": ["{image}"]}}\n'
    )
    journal.with_name("run.ndjson.sending").write_text("{}\n")
    with (
        scripted(Response(413, {"code": "batch_too_large", "detail": "d"})) as server,
        Client(server.url) as client,
    ):
        (result,) = client.explain_many([image], resume=journal)
    assert present(result.error).code == "batch_too_large"
    assert not journal.with_name("run.ndjson.sending").exists()


def test_the_command_refuses_a_journal_that_cannot_be_opened(folder: Path, tmp_path: Path) -> None:
    shown = explain("http://127.0.0.1:9", folder, "--resume", tmp_path / "missing" / "run.ndjson")
    assert shown.exit_code == 2
    assert "cannot be opened" in " ".join(shown.stderr.split())


def test_the_command_says_for_every_photo_that_the_disk_is_full(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "run.ndjson.sending").symlink_to("/dev/full")
    shown = explain("http://127.0.0.1:9", folder, "--resume", tmp_path / "run.ndjson", "--ndjson")
    assert shown.exit_code == 1
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert {line["error"] for line in lines} == {"No space left on device"}
    assert len(lines) == len(list(folder.iterdir()))


def test_a_journal_is_used_by_one_run_at_a_time(url: str, folder: Path, tmp_path: Path) -> None:
    journal = tmp_path / "run.ndjson"
    with Client(url) as client:
        first = client.explain_many(sorted(folder.iterdir())[:4], resume=journal)
        next(first)
        with pytest.raises(JournalUnusable, match="in use by another process"):
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


def explain(url: str, *arguments: str | Path) -> Result:
    command = ["explain", *map(str, arguments), "--url", url]
    return CliRunner().invoke(app, command, env={"COLUMNS": "200"})


@pytest.mark.parametrize("option", ["--json", "--ndjson"])
def test_the_command_sends_many_photos_in_batches(
    url: str, folder: Path, valkey: RedisServer, option: str
) -> None:
    jobs = JobCount(valkey)
    (folder / "text.jpg").write_text("no image")
    shown = explain(url, folder, option, "--out", folder.parent / "out")
    assert shown.exit_code == 1, shown.output
    lines = [json.loads(line) for line in shown.stdout.splitlines()] if "nd" in option else []
    ends = lines or json.loads(shown.stdout)
    by_name = {Path(end["photo"]).name: end for end in ends}
    assert len(by_name) == len(ends) == 41
    assert "(unsupported_image)" in by_name["text.jpg"]["error"]
    assert by_name["07.png"]["explanation"]["status"] == "succeeded"
    assert all(Path(end["overlays"][0]).is_file() for end in ends if "error" not in end)
    assert "1 of 41 photos failed" in shown.stderr
    assert (jobs.new(), jobs.new_batches()) == (40, 1)


def test_the_command_sends_few_photos_one_by_one(
    url: str, folder: Path, valkey: RedisServer
) -> None:
    jobs = JobCount(valkey)
    photos = sorted(folder.iterdir())[:MAX_SINGLE_REQUESTS]
    shown = explain(url, *photos)
    assert shown.exit_code == 0, shown.output
    assert len(shown.stdout.splitlines()) == 1 + MAX_SINGLE_REQUESTS
    assert (jobs.new(), jobs.new_batches()) == (MAX_SINGLE_REQUESTS, 0)


@pytest.mark.parametrize("option", ["--json", "--ndjson"])
def test_the_command_prints_json_for_every_photo_when_the_service_fails(
    folder: Path, option: str
) -> None:
    gone = Response(500, {"title": "t", "detail": "on fire", "code": "broken"})
    with scripted(*[gone] * 3) as server:
        shown = explain(server.url, folder, option)
    assert shown.exit_code == 1
    lines = [json.loads(line) for line in shown.stdout.splitlines()] if "nd" in option else []
    ends = lines or json.loads(shown.stdout)
    assert {end["error"] for end in ends} == {"on fire (broken, HTTP 500)"}
    assert len(ends) == 40


@contextmanager
def suspended(process: psutil.Process) -> Iterator[None]:
    """Stop a process and its children for a while."""
    processes = [process, *process.children(recursive=True)]
    for one in processes:
        one.suspend()
    try:
        yield
    finally:
        for one in processes:
            one.resume()


def test_an_interrupted_command_continues_with_its_journal(
    cluster: ProcessCluster, url: str, folder: Path, valkey: RedisServer, tmp_path: Path
) -> None:
    jobs = JobCount(valkey)
    options = ["--ndjson", "--resume", str(tmp_path / "run.ndjson")]
    with suspended(psutil.Process(cluster.processes[-1].pid)):
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTIBLE, "explain", str(folder), "--url", url, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        wait_until(lambda: jobs.new() == 40, what="all photos are jobs")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout, b"Traceback" in stderr) == (130, b"", False), stderr

    photos = sorted(folder.iterdir())
    shown = explain(url, *photos, *options)
    assert shown.exit_code == 0, shown.output
    assert len(shown.stdout.splitlines()) == 40
    assert jobs.new() == 40

    refused = explain(url, *photos, *options, "--targets", "top:2")
    assert refused.exit_code == 2
    assert "journal of another request" in " ".join(refused.stderr.split())
    assert jobs.new() == 40


def test_the_command_takes_urls_and_shows_regions(
    url: str, folder: Path, image_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    image = (folder / "30.png").read_bytes()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(image)}\r\n\r\n"
    with receiving(answer(head.encode() + image), port=image_port):
        photo = f"http://localhost:{image_port}/photos/my%20cat.png?size=50"
        shown = explain(url, photo, "--regions")
    assert shown.exit_code == 0, shown.output
    header, row = shown.stdout.splitlines()
    assert header.split() == ["photo", "class", "probability", "logit", "map", "region", "overlay"]
    assert row.startswith(" my cat.png")
    assert re.search(r" \d+,\d+ \d+x\d+ +my cat\.seewhy\.jpg", row)
    assert (tmp_path / "my cat.seewhy.jpg").is_file()
