"""One job on S3, end to end: real processes, signed requests, presigned URLs."""

import io
import json
from pathlib import Path

import httpx2
import numpy as np
import pytest

from seewhy.client import Client, RequestRejected
from seewhy.embedded.tcp_ports import free_port
from seewhy.settings import load
from seewhy.storage.obstore_adapter import open_store
from seewhy.storage.provision import provision
from servers.process_cluster import start_cluster
from servers.s3 import S3Server
from servers.valkey import RedisServer


def test_results_are_stored_in_s3_and_served_by_presigned_urls(
    s3: S3Server, valkey: RedisServer, tmp_path: Path, photos: Path
) -> None:
    with valkey.client() as client:
        client.flushdb()
    settings = load(
        {},
        redis_url=valkey.url,
        default_model="efficientnet-lite0",
        api_port=free_port(),
        **s3.settings("made-by-seewhy"),
    )
    provision(settings)
    with start_cluster(settings, tmp_path) as cluster, Client(cluster.url) as client:
        cluster.start_stub_worker()
        cluster.start_api()
        explanation = client.explain(photos / "cat.jpg", targets="top:2")
        assert sorted(explanation.downloads) == ["map", "overlay", "result"]
        responses = {name: httpx2.get(url) for name, url in explanation.downloads.items()}
        assert {response.status_code for response in responses.values()} == {200}
        assert responses["overlay"].headers["Content-Type"] == "image/jpeg"
        assert responses["overlay"].content == client.overlay(explanation)
        np.testing.assert_array_equal(
            np.load(io.BytesIO(responses["map"].content)), client.map(explanation)
        )
        assert json.loads(responses["result"].content)["job_id"] == explanation.id
        tampered = explanation.downloads["map"].replace("/map.npy", "/result.json")
        assert httpx2.get(tampered).status_code == 403
        for key in open_store(settings).list_keys(f"results/{explanation.id}/"):
            open_store(settings).delete(key)
        with pytest.raises(RequestRejected, match="past its retention"):
            client.map(explanation)
