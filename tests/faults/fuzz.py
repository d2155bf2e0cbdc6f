"""Fuzzing: mutated images through the decoder, and mutated requests against a real API process.

`python -m faults.fuzz --count 10000 --seed 1` (in `tests`) runs both. Runs with the same seed send
the same bytes. Every answer must be a documented one; any other ends the run and prints
the first bytes.
"""

import argparse
import faulthandler
import random
import socket
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from bad_inputs import GROUPS
from bad_inputs.case import IMAGE_BASE64, JPEG, JSON, PNG, URL, WEBP, Case, upload
from seewhy.embedded.tcp_ports import free_port
from seewhy.errors import BadImage
from seewhy.imaging import codecs
from seewhy.settings import load
from seewhy.webhook_secrets import generate_secret
from servers.process_cluster import ProcessCluster, start_cluster
from servers.valkey import start_valkey

MAX_PIXELS = 1_000_000
HANG_LIMIT_S = 60.0
DOCUMENTED = {200, 201, 202, *range(400, 432), 501, 505}
UNKNOWN_JOB = "0190163d-8694-739b-aea5-966c26f8ad91"
TOKENS = (
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b"\xff",
    b"%00",
    b"%0a",
    b"..",
    b"//",
    b'"',
    b"\\",
    b"{",
    b"[" * 1_000,
    b"NaN",
    b"1e999",
    b"-1",
    b"9" * 5_000,
    b"\\ud800",
    b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Host: evil.example\r\n",
    b"--boundary\r\n",
    b"\xed\xa0\x80",
)

Mutation = Callable[[random.Random, bytes], bytes]


def _position(chance: random.Random, text: bytes) -> int:
    return chance.randrange(len(text) + 1)


def _flip(chance: random.Random, text: bytes) -> bytes:
    changed = bytearray(text)
    for _ in range(chance.randint(1, 8)):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(chance: random.Random, text: bytes) -> bytes:
    return text[: _position(chance, text)]


def _remove(chance: random.Random, text: bytes) -> bytes:
    start = _position(chance, text)
    return text[:start] + text[start + chance.randint(1, 64) :]


def _repeat(chance: random.Random, text: bytes) -> bytes:
    start = _position(chance, text)
    end = start + chance.randint(1, 64)
    return text[:end] + text[start:end] * chance.randint(1, 200) + text[end:]


def _insert(chance: random.Random, text: bytes) -> bytes:
    start = _position(chance, text)
    return text[:start] + chance.choice(TOKENS) + text[start:]


def _overwrite(chance: random.Random, text: bytes) -> bytes:
    start = _position(chance, text)
    noise = chance.randbytes(chance.randint(1, 16))
    return text[:start] + noise + text[start + len(noise) :]


MUTATIONS: tuple[Mutation, ...] = (_flip, _cut, _remove, _repeat, _insert, _overwrite)


def mutate(chance: random.Random, text: bytes) -> bytes:
    """Apply one to three mutations."""
    for _ in range(chance.randint(1, 3)):
        text = chance.choice(MUTATIONS)(chance, text)
    return text


def fuzz_images(count: int, *, seed: int) -> Counter[str]:
    """Decode `count` mutated images; count the results. Any error but `BadImage` is raised."""
    chance = random.Random(seed)
    results: Counter[str] = Counter()
    for _ in range(count):
        image = mutate(chance, chance.choice((JPEG, PNG, WEBP)))
        faulthandler.dump_traceback_later(HANG_LIMIT_S, exit=True)
        try:
            codecs.decode(image, max_pixels=MAX_PIXELS)
        except BadImage as error:
            results[error.code] += 1
        else:
            results["decoded"] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()
    return results


def templates() -> list[Case]:
    """Return the requests to mutate: valid ones, and the hostile ones that are small."""
    job = f"{URL}/{UNKNOWN_JOB}"
    fields = '"targets": [1, {"why": 2, "not": [3]}], "metadata": {"a": [1.5, null]}'
    valid = [
        Case("", set(), upload(JPEG, f"{{{fields}}}")),
        Case("", set(), upload(PNG)),
        Case("", set(), f'{{"image_base64": "{IMAGE_BASE64}", {fields}}}'.encode(), JSON),
        *(Case("", set(), path=f"{job}/{verb}") for verb in ("cancel", "redeliver")),
        *(
            Case("", set(), method="GET", path=path)
            for path in (job, f"{job}/events", f"{job}/overlay?alpha=0.5&map=1", "/v1/models")
        ),
    ]
    hostile = [case for group in GROUPS.values() for case in group()]
    return valid * 20 + [case for case in hostile if len(case.encode(host="")) < 20_000]


def mutate_request(chance: random.Random, case: Case, *, host: str) -> bytes:
    """Mutate the body under a correct length, or any bytes of the request."""
    if case.body and chance.random() < 0.5:
        return case._replace(body=mutate(chance, case.body)).encode(host=host)
    return mutate(chance, case.encode(host=host))


def send(cluster: ProcessCluster, request: bytes) -> int | None:
    """Send bytes and nothing more; return the status of the last answer, None without one."""
    address = (cluster.settings.api_host, cluster.settings.api_port)
    received = b""
    with socket.create_connection(address, timeout=HANG_LIMIT_S) as sock:
        with suppress(ConnectionError):
            sock.sendall(request)
        with suppress(OSError):  # the server has closed the connection
            sock.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while part := sock.recv(65_536):
                received += part
    head, _, _ = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n")
    return int(head.split()[1]) if head else None


def fuzz_requests(cluster: ProcessCluster, count: int, *, seed: int) -> Counter[int | None]:
    """Send `count` mutated requests; count the statuses.

    Raises `AssertionError` for an answer that is not documented, a replaced process, or a traceback
    in the log. Raises `TimeoutError` when there is no answer.
    """
    chance = random.Random(seed)
    (serving,) = psutil.Process(cluster.processes[-1].pid).children()
    cases, host = templates(), f"localhost:{cluster.settings.api_port}"
    statuses: Counter[int | None] = Counter()
    for number in range(count):
        request = mutate_request(chance, chance.choice(cases), host=host)
        status = send(cluster, request)
        assert status is None or status in DOCUMENTED, f"{number}: {status} for {request[:2_000]!r}"
        statuses[status] += 1
    assert serving.is_running(), "the process was replaced"
    assert cluster.is_ready()
    assert "Traceback" not in cluster.read_log("api")
    return statuses


def main() -> None:
    """Fuzz images, then requests, and print what came back."""
    parser = argparse.ArgumentParser(prog="python -m faults.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print("images:", dict(fuzz_images(arguments.count, seed=arguments.seed)))
    with tempfile.TemporaryDirectory() as folder, start_valkey(Path(folder)) as valkey:
        settings = load(
            {},
            redis_url=valkey.url,
            store_url=f"file://{folder}/objects",
            default_model="efficientnet-lite0",
            api_port=free_port(),
            webhook_secrets=generate_secret(),
        )
        with start_cluster(settings, Path(folder)) as cluster:
            cluster.start_api()
            print("requests:", dict(fuzz_requests(cluster, arguments.count, seed=arguments.seed)))


if __name__ == "__main__":
    main()
