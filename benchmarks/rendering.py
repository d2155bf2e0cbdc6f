"""How long the routes of a result take, and how large their answers are.

A map of 14 x 14 cells on a photo of 640 x 480 pixels, requested from the API's application without
a network, over a private Valkey and a local directory. Prints Markdown.

    PYTHONPATH=tests python benchmarks/rendering.py
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from flask.testing import FlaskClient
from numpy.typing import NDArray

from http_api import finish_next_job, submit_image
from seewhy.imaging import codecs
from seewhy.imaging.process_tuning import tune_process
from seewhy.schemas.geometry import Rectangle
from seewhy.settings import load
from seewhy_api.app import create_api
from servers.valkey import start_valkey

PHOTO = Path(__file__).parents[1] / "examples" / "photos" / "coffee.jpg"
WIDTH_PX, HEIGHT_PX, CELLS = 640, 480, 14
JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
REQUESTS: tuple[tuple[str, str], ...] = (
    ("map.npy", "*/*"),
    ("regions", "*/*"),
    ("regions?components=50&threshold=0.5", "*/*"),
    ("regions?threshold=otsu", "*/*"),
    ("mask.png", PNG),
    ("mask.png?bits=1", PNG),
    *((f"overlay{query}", JPEG) for query in ("", "?threshold=0.5", "?size=320")),
    *(("overlay", media_type) for media_type in (WEBP, PNG)),
    *(("heatmap", media_type) for media_type in (PNG, WEBP)),
    ("contours", JPEG),
    ("contours?boxes=true&alpha=0.6", JPEG),
)


def bumpy_map() -> NDArray[np.float32]:
    """Return a signed map `(1, 14, 14)` with some hills, like those of a network."""
    noise = np.random.default_rng(7).normal(size=(1, CELLS, CELLS)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise[0], (0, 0), 1.5)[np.newaxis], np.float32)


def measure(client: FlaskClient, path: str, count: int) -> Iterator[str]:
    """Yield the rows of the table."""
    for name, media_type in REQUESTS:
        times_ms, body, tag = [], b"", ""
        for _ in range(count):
            started = time.thread_time()
            response = client.get(f"{path}/{name}", headers={"Accept": media_type})
            times_ms.append((time.thread_time() - started) * 1000)
            assert response.status_code == 200, response.get_data(as_text=True)
            body, tag = response.data, response.headers["ETag"]
        unchanged_ms = []
        for _ in range(count):
            started = time.thread_time()
            headers = {"Accept": media_type, "If-None-Match": tag}
            assert client.get(f"{path}/{name}", headers=headers).status_code == 304
            unchanged_ms.append((time.thread_time() - started) * 1000)
        cells = (
            f"`{name}`", media_type.removeprefix("image/").replace("*/*", ""),
            f"{statistics.median(times_ms):.1f}", f"{statistics.median(unchanged_ms):.1f}",
            f"{len(body) / 1000:.1f}",
        )  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure every request and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=51, help="Requests of each kind.")
    arguments = parser.parse_args()
    tune_process()
    photo = codecs.decode(PHOTO.read_bytes(), max_pixels=25_000_000)
    body = codecs.encode_jpeg(cv2.resize(photo, (WIDTH_PX, HEIGHT_PX)).astype(np.uint8))
    with (
        tempfile.TemporaryDirectory() as folder,
        start_valkey(Path(folder), appendonly=False) as server,
    ):
        settings = load(
            {},
            redis_url=server.url,
            store_url=f"file://{folder}/objects",
            default_model="efficientnet-lite0",
        )
        client = create_api(settings).flask.test_client()
        job_id = submit_image(client, body).get_json()["id"]
        finish_next_job(
            settings,
            map_=bumpy_map(),
            covers=Rectangle(x=0, y=0, width=WIDTH_PX, height=HEIGHT_PX),
            width_px=WIDTH_PX,
            height_px=HEIGHT_PX,
        )
        print("Median milliseconds of CPU time of one request.\n")
        print("| request | type | new | unchanged (304) | kB |\n|---|---|---|---|---|")
        for row in measure(client, f"/v1/explanations/{job_id}", arguments.count):
            print(row, flush=True)


if __name__ == "__main__":
    main()
