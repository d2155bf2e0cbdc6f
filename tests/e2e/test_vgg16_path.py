"""The VGG16 architecture with random weights, explained by real processes."""

from pathlib import Path

import numpy as np

from random_vgg16 import MODEL, write_catalog
from seewhy.client import Client
from seewhy.embedded.tcp_ports import free_port
from seewhy.imaging.codecs import read_header
from seewhy.settings import load
from servers.process_cluster import start_cluster
from servers.valkey import start_valkey
from servers.waiting import wait_until


def test_vgg16_is_explained_by_the_whole_service(tmp_path: Path, photos: Path) -> None:
    with start_valkey(tmp_path / "valkey") as server:
        settings = load(
            {},
            redis_url=server.url,
            store_url=f"file://{tmp_path}/objects",
            models_file=write_catalog(tmp_path),
            default_model=MODEL,
            max_batch=2,
            api_port=free_port(),
        )
        with start_cluster(settings, tmp_path) as cluster, Client(cluster.url) as client:
            cluster.start_worker()
            cluster.start_api()
            wait_until(
                lambda: "ready." in cluster.read_log("worker"),
                what="the worker is ready",
                limit_s=180,
            )
            explanation = client.explain(photos / "coffee.jpg", targets=["class 3", 5])
            maps = client.map(explanation)
            overlay = client.overlay(explanation)
    assert explanation.result is not None
    assert explanation.result.layer == "block5_conv3"
    assert [target.score.index for target in explanation.result.targets] == [3, 5]
    assert maps.shape == (2, 14, 14)
    assert np.isfinite(maps).all()
    info = read_header(overlay, max_bytes=10**7, max_pixels=10**7, max_side_px=10**4)
    assert (info.media_type, info.width_px, info.height_px) == ("image/jpeg", 600, 400)
