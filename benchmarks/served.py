"""A worker with a real model: images per second from a full queue, against its explainer alone.

The jobs are submitted before the worker starts, so the API and the load take no processor time
while it serves. VGG16 with random weights, Grad-CAM of one class, batches of eight. The explainer
alone gets prepared images in a process of its own, before and after. Prints Markdown.

    PYTHONPATH=tests python benchmarks/served.py --jobs 160
"""

import argparse
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from images import encoded, gradient
from random_vgg16 import MODEL, write_catalog
from seewhy.catalog.catalog import Catalog
from seewhy.client import Client
from seewhy.embedded.tcp_ports import free_port
from seewhy.settings import Settings, load
from servers.process_cluster import start_cluster
from servers.valkey import start_valkey

BATCH = 8


def explain_alone(models_file: Path, batches: int) -> float:
    """Return the images per second of the explainer in this process."""
    # TensorFlow is imported only in the process that explains.
    from seewhy_worker.explain.keras_explainer import load_explainer  # noqa: PLC0415
    from seewhy_worker.explain.types import ExplanationTask  # noqa: PLC0415

    spec = Catalog.load(load({}, models_file=models_file)).get(MODEL)
    explainer = load_explainer(spec, weights_path=None, max_batch=BATCH)
    photos = [gradient(640, 427 + number) for number in range(BATCH)]
    tasks = [ExplanationTask.create(explainer.prepare(np.asarray(photo)), [-1]) for photo in photos]
    explainer.warm_up()
    started_s = time.perf_counter()
    for _ in range(batches):
        explainer.explain(tasks)
    return BATCH * batches / (time.perf_counter() - started_s)


def alone_per_s(models_file: Path, batches: int) -> float:
    """Return the images per second of the explainer in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(explain_alone, models_file, batches).result()


def served_per_s(settings: Settings, folder: Path, jobs: int) -> float:
    """Return the images per second of a worker, without its first and its last batches."""
    with start_cluster(settings, folder) as cluster, Client(cluster.url) as client:
        cluster.start_api()
        photos = [encoded(gradient(640, 427 + number), "JPEG") for number in range(jobs)]
        submitted = [client.submit(photo, cache=False) for photo in photos]
        cluster.start_worker()
        client.wait(submitted[-1])  # one request for 30 s: polling would take processor time
        for one in submitted:
            client.wait(one)
        found = [client.get(one.id).finished_at for one in submitted]
    ended = sorted(at.timestamp() for at in found if at)
    inner = ended[2 * BATCH : -2 * BATCH]
    return (len(inner) - BATCH) / (inner[-1] - inner[BATCH - 1])


def main() -> None:
    """Measure in turns, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=160)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    ratios = []
    print("| explainer alone, images/s | served | served ÷ alone |\n|---|---|---|")
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            models_file = write_catalog(folder)
            before = alone_per_s(models_file, arguments.jobs // BATCH)
            with start_valkey(folder / "valkey") as server:
                settings = load(
                    {},
                    redis_url=server.url,
                    store_url=f"file://{folder}/objects",
                    models_file=models_file,
                    default_model=MODEL,
                    worker_engine="tensorflow",  # that of the explainer alone
                    bundles=False,
                    max_batch=BATCH,
                    api_port=free_port(),
                )
                served = served_per_s(settings, folder, arguments.jobs)
            alone = (before + alone_per_s(models_file, arguments.jobs // BATCH)) / 2
        ratios.append(served / alone)
        print(f"| {alone:.1f} | {served:.1f} | {ratios[-1]:.3f} |", flush=True)
    print(f"\nMedian {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
