"""Hostile and careless clients: each attack runs in the background while its block runs."""

import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import httpx2
from PIL import Image

from faults.environment import Environment
from faults.submitter import UNCACHED_REQUEST
from images import encoded, gradient
from seewhy.embedded.tcp_ports import free_port
from seewhy.errors import Overloaded
from seewhy.ids import new_job_id
from seewhy.ledger.types import Submission, lane_of
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Priority
from seewhy_api.routes.label_studio_operations import LABEL_CONFIG
from servers.receivers import hang, receiving
from servers.waiting import wait_until

STALLED_UPLOAD = (
    b"POST /v1/explanations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 10000000\r\n\r\n{"
)
PARTIAL_HEADER = b"GET / HT"
DRIP_S = 5
"""How often a stalled upload sends one more byte."""
BOMB_SIDE_PX = 5000
UNSERVED_MODEL = "vgg16"
"""A model of the catalog that no worker of the environment serves."""


@contextmanager
def stalled_uploads(env: Environment, count: int = 64) -> Iterator[None]:
    """Hold `count` uploads open, one byte each `DRIP_S`; open a new one for each that is closed."""
    with _held_open(env, count, sent=STALLED_UPLOAD, drip=b" "):
        yield


@contextmanager
def partial_headers(env: Environment, count: int = 500) -> Iterator[None]:
    """Hold `count` connections open that never finish their request header."""
    with _held_open(env, count, sent=PARTIAL_HEADER):
        yield


@contextmanager
def idle_connections(env: Environment, count: int = 2000) -> Iterator[None]:
    """Hold `count` connections open that send nothing."""
    with _held_open(env, count, sent=b""):
        yield


@contextmanager
def decompression_bombs(env: Environment, count: int = 64) -> Iterator[None]:
    """Submit `count` small files that decode to 100 MB each, and draw each one that is explained.

    The submissions are jobs like any other: the checker expects an outcome of each.
    """
    body = _bomb()
    request = json.dumps({"cache": False, "outputs": []})

    def submit_and_draw(number: int) -> None:
        job_id = env.submitter.submit_extra(f"bomb-{number}", image=body, request=request)
        env.await_outcome(job_id)
        path = f"/v1/explanations/{job_id}/overlay"
        for alpha in (0.5, 0.7):
            assert _get(env, path, alpha=alpha) in {200, 429, 503}

    with _clients(count, submit_and_draw):
        yield


@contextmanager
def drawings(env: Environment, count: int = 64) -> Iterator[None]:
    """Draw overlays, contours and masks of one result from `count` clients, again and again."""
    job_id = env.submitter.submit_extra("drawn", image=_photo(), request=UNCACHED_REQUEST)
    env.await_outcome(job_id)
    stopped = threading.Event()

    def draw(client_number: int) -> None:
        with httpx2.Client(timeout=60) as client:
            for number in itertools.count():
                if stopped.is_set():
                    return
                name = ("overlay", "contours", "mask.png")[number % 3]
                size = 1000 + (client_number + number) % 100  # the stored overlay is cheap
                response = client.get(
                    f"{env.api.url}/v1/explanations/{job_id}/{name}", params={"size": size}
                )
                assert response.status_code in {200, 429, 503}, response.text[:300]

    with _clients(count, draw):
        try:
            yield
        finally:
            stopped.set()


@contextmanager
def unknown_fields(env: Environment, count: int = 31) -> Iterator[None]:
    """Post 1.9 MB of unknown JSON fields from `count` clients, again and again."""
    body = json.dumps({f"field{number}": 0 for number in range(120_000)}).encode()
    with _posting(env, "/v1/explanations", body, count, statuses={413, 422, 429, 503}):
        yield


@contextmanager
def label_studio_tasks(env: Environment, count: int = 64) -> Iterator[None]:
    """Post 10 MB of Label Studio's tasks from `count` clients, again and again."""
    task = {"id": 1, "data": {f"field{number}": "text" for number in range(80)}}
    body = json.dumps({"tasks": [task] * 6_500, "label_config": LABEL_CONFIG}).encode()
    with _posting(env, "/label-studio/setup", body, count, statuses={200, 503}):
        yield


@contextmanager
def _posting(
    env: Environment, path: str, body: bytes, count: int, *, statuses: set[int]
) -> Iterator[None]:
    """Post JSON from `count` clients, again and again; fail for any other status."""
    stopped = threading.Event()

    def post(_: int) -> None:
        with httpx2.Client(timeout=60) as client:
            while not stopped.is_set():
                response = client.post(
                    f"{env.api.url}{path}",
                    content=body,
                    headers={"Content-Type": "application/json"},
                )
                assert response.status_code in statuses, response.text[:300]
                assert len(response.content) < 20_000

    with _clients(count, post):
        try:
            yield
        finally:
            stopped.set()


@cache
def silent_server_settings() -> dict[str, Any]:
    """Return settings that allow image URLs of one loopback port, which is free."""
    return {"image_url_hosts": f"127.0.0.1:{free_port()}", "image_url_networks": "127.0.0.1/32"}


@contextmanager
def silent_image_server(env: Environment, count: int = 64) -> Iterator[None]:
    """Name images of a server that never answers, from `count` clients, again and again."""
    host = env.api.settings.image_url_hosts[0]
    stopped = threading.Event()

    def post(_: int) -> None:
        with httpx2.Client(timeout=60) as client:
            while not stopped.wait(0.2):
                response = client.post(
                    f"{env.api.url}/v1/explanations", json={"image_url": f"http://{host}/"}
                )
                assert response.status_code in {422, 503}, response.text[:300]

    with _clients(count, post), receiving(hang, port=int(host.partition(":")[2])) as server:
        try:
            yield
        finally:
            stopped.set()
            assert server.heads, "no image was asked for"


@contextmanager
def all_event_streams(env: Environment, count: int = 256) -> Iterator[None]:
    """Hold `count` event streams of a job that never ends, all from one client."""
    job_id = _submit_unserved(env, "streamed")
    request = f"GET /v1/explanations/{job_id}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    try:
        with _held_open(env, count, sent=request.encode()):
            yield
    finally:
        httpx2.post(f"{env.api.url}/v1/explanations/{job_id}/cancel", timeout=30)


@contextmanager
def many_tenants(env: Environment, count: int = 30_000) -> Iterator[None]:
    """Let `count` tenants wait in the lane of the environment's model, one job each.

    The jobs are written to the ledger directly and withdrawn in the end: 30,000 uploads would take
    minutes. The checker does not see them.
    """
    submissions = [
        Submission(
            job_id=new_job_id(),
            lane=lane_of(UNSERVED_MODEL, Priority.INTERACTIVE),
            job="{}",
            context=RequestContext(tenant=f"flood-{number}"),
        )
        for number in range(count)
    ]
    for submission in submissions:
        with suppress(Overloaded):
            env.ledger.submit(submission)
    try:
        yield
    finally:
        wait_until(
            lambda: env.ledger.counts().non_terminal == count, what="all other jobs have ended"
        )
        env.save_events()
        for submission in submissions:
            env.ledger.cancel(submission.job_id)
            env.redis.delete(f"{{seewhy}}:job:{submission.job_id}")


@contextmanager
def _held_open(env: Environment, count: int, *, sent: bytes, drip: bytes = b"") -> Iterator[None]:
    """Hold connections open that send `sent`; replace those that the server refuses or closes."""
    address = (env.api.settings.api_host, env.api.settings.api_port)
    stopped, ready = threading.Event(), threading.Event()

    def connect() -> socket.socket | None:
        try:
            sock = socket.create_connection(address, timeout=5)
            sock.sendall(sent)
        except OSError:
            return None
        sock.setblocking(False)
        return sock

    def hold() -> None:
        held: list[socket.socket] = []
        for second in itertools.count():
            drips = drip if second % DRIP_S == 0 else b""
            held = [sock for sock in held if _is_open(sock, drips)]
            opened = (connect() for _ in range(count - len(held)))
            held += [sock for sock in opened if sock is not None]
            ready.set()
            if stopped.wait(1.0):
                break
        for sock in held:
            sock.close()

    attacker = threading.Thread(target=hold, name="attacker")
    attacker.start()
    try:
        wait_until(ready.is_set, what="the connections are open")
        yield
    finally:
        stopped.set()
        attacker.join()


def _is_open(sock: socket.socket, drip: bytes) -> bool:
    """Send `drip`; close the socket if the server has closed it or refused the request."""
    try:
        if drip:
            sock.send(drip)
        received = sock.recv(65_536)
        is_open = bool(received) and not received.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
    except BlockingIOError:
        is_open = True
    except OSError:
        is_open = False
    if not is_open:
        sock.close()
    return is_open


@contextmanager
def _clients(count: int, run: Callable[[int], None]) -> Iterator[None]:
    """Run `count` clients in threads; fail if one of them fails."""
    with ThreadPoolExecutor(count, thread_name_prefix="attacker") as pool:
        running = [pool.submit(run, number) for number in range(count)]
        yield
    for client in running:
        client.result()


def _submit_unserved(env: Environment, key: str) -> str:
    response = httpx2.post(
        f"{env.api.url}/v1/explanations",
        files={"image": env.submitter.first_image},
        data={"request": json.dumps({"model": UNSERVED_MODEL, "cache": False})},
        headers={"Idempotency-Key": key},
        timeout=30,
    )
    assert response.status_code == 202, response.text
    env.submitter.keys.append(key)
    return str(response.json()["id"])


def _get(env: Environment, path: str, **parameters: float) -> int:
    return httpx2.get(f"{env.api.url}{path}", params=parameters, timeout=120).status_code


@cache
def _photo() -> bytes:
    """Return an image of 1.9 megapixels."""
    return encoded(gradient(1600, 1200), "JPEG")


@cache
def _bomb() -> bytes:
    """Return a PNG of about 100 kB that decodes to 100 MB."""
    return encoded(Image.new("RGBA", (BOMB_SIDE_PX, BOMB_SIDE_PX), (200, 30, 60, 128)), "PNG")
