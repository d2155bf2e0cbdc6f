"""The Python client of a seewhy service.

>>> from seewhy.client import Client
>>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
...     explanation = client.explain(Path("cat.jpg"), targets="top:3")
...     print(explanation.result.top[0].label)
...     Path("cat.seewhy.jpg").write_bytes(client.overlay(explanation))
"""

from seewhy.client.client import Client
from seewhy.client.errors import (
    ClientError,
    ExplanationFailed,
    RequestRejected,
    ServiceUnreachable,
    UnexpectedResponse,
    WaitTimedOut,
)
from seewhy.client.images import ImageId
from seewhy.client.request_options import RegionOptions, RequestOptions
from seewhy.client.responses import (
    Event,
    Explanation,
    ExplanationResult,
    Models,
    Score,
    TrustScores,
    WebhookStatus,
)
from seewhy.schemas.map_regions import MapRegions
from seewhy.schemas.regions import OutlinedRegion, Region

__all__ = [
    "Client",
    "ClientError",
    "Event",
    "Explanation",
    "ExplanationFailed",
    "ExplanationResult",
    "ImageId",
    "MapRegions",
    "Models",
    "OutlinedRegion",
    "Region",
    "RegionOptions",
    "RequestOptions",
    "RequestRejected",
    "Score",
    "ServiceUnreachable",
    "TrustScores",
    "UnexpectedResponse",
    "WaitTimedOut",
    "WebhookStatus",
]
