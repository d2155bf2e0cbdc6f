"""A worker with a real model: images per second from a full queue, against its explainer alone.

The jobs are submitted before the worker starts, so the API and the load take no processor time
while it serves. VGG16 with random weights, Grad-CAM of one class, batches of eight. The explainer
alone gets prepared images in the same process, before and after. Prints Markdown.

    PYTHONPATH=tests python benchmarks/served.py --jobs 160
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from images import encoded, gradient
from seewhy.client import Client
from seewhy.embedded.tcp_ports import free_port
from seewhy.settings import Settings, load
from servers.process_cluster import start_cluster
from servers.valkey import start_valkey

BATCH = 8
CATALOG = """
[vgg16-random]
source = "keras.applications:VGG16"
weights = { random_seed = 7 }
input = { height_px = 224, width_px = 224 }
preprocessing = { kind = "vgg16" }
labels_file = "labels.txt"
layer = "block5_conv3"
"""
ALONE = """
import sys, time
import numpy as np
from pathlib import Path
from seewhy.catalog.catalog import Catalog
from seewhy.settings import load
from seewhy_worker.explain.keras_explainer import load_explainer
from seewhy_worker.explain.types import ExplanationTask
spec = Catalog.load(load({}, models_file=Path(sys.argv[1]))).get("vgg16-random")
explainer = load_explainer(spec, weights_path=None, max_batch=8)
rng = np.random.default_rng(1)
images = [explainer.prepare(rng.integers(0, 255, (427, 640, 3), np.uint8)) for _ in range(8)]
tasks = [ExplanationTask.create(each, [-1]) for each in images]
for _ in range(3):
    explainer.explain(tasks)
started = time.perf_counter()
for _ in range(int(sys.argv[2])):
    explainer.explain(tasks)
print(8 * int(sys.argv[2]) / (time.perf_counter() - started))
"""
"""Prints the images per second of the explainer."""


def alone_per_s(models_file: Path, batches: int) -> float:
    """Return the images per second of the explainer in a process of its own."""
    command = [sys.executable, "-c", ALONE, str(models_file), str(batches)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


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
            models_file = folder / "models.toml"
            models_file.write_text(CATALOG)
            (folder / "labels.txt").write_text("\n".join(f"class {n}" for n in range(1000)))
            before = alone_per_s(models_file, arguments.jobs // BATCH)
            with start_valkey(folder / "valkey") as server:
                settings = load(
                    {},
                    redis_url=server.url,
                    store_url=f"file://{folder}/objects",
                    models_file=models_file,
                    default_model="vgg16-random",
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
