"""The Python client of a seewhy service: `Client` blocks, `AsyncClient` is awaited.

>>> from pathlib import Path
>>> from seewhy.client import Client
>>> with Client("http://127.0.0.1:8000") as client:
...     explanation = client.explain(Path("cat.jpg"), targets="top:3")
...     explanation.save("cat.seewhy.jpg").name
'cat.seewhy.jpg'
>>> len(explanation.result.targets)
3
"""

from seewhy.client.async_client import AsyncClient
from seewhy.client.batch import Batch, ItemCounts, ItemResult, ItemStatus, RefusedItem
from seewhy.client.batch_items import Item
from seewhy.client.client import Client
from seewhy.client.connection import NotConnected
from seewhy.client.drawing_options import ContourOptions, DrawingOptions, RegionOptions
from seewhy.client.errors import (
    ClientError,
    ExplanationFailed,
    ImageNotExplained,
    JournalUnusable,
    RequestRejected,
    ServiceUnreachable,
    UnexpectedResponse,
    WaitTimedOut,
)
from seewhy.client.explanation import Event, Explanation
from seewhy.client.image_result import ImageResult
from seewhy.client.images import ImageId
from seewhy.client.many import Progress
from seewhy.client.request_options import RequestOptions
from seewhy.client.responses import (
    ExplanationResult,
    Models,
    Score,
    SecondsLeft,
    Summary,
    TrustScores,
    WebhookStatus,
)
from seewhy.client.tables import to_pandas
from seewhy.schemas.agreement import Agreement, MeasuredAgreement, ProjectAgreements
from seewhy.schemas.map_regions import MapRegions
from seewhy.schemas.regions import OutlinedRegion, Region

__all__ = [
    "Agreement",
    "AsyncClient",
    "Batch",
    "Client",
    "ClientError",
    "ContourOptions",
    "DrawingOptions",
    "Event",
    "Explanation",
    "ExplanationFailed",
    "ExplanationResult",
    "ImageId",
    "ImageNotExplained",
    "ImageResult",
    "Item",
    "ItemCounts",
    "ItemResult",
    "ItemStatus",
    "JournalUnusable",
    "MapRegions",
    "MeasuredAgreement",
    "Models",
    "NotConnected",
    "OutlinedRegion",
    "Progress",
    "ProjectAgreements",
    "RefusedItem",
    "Region",
    "RegionOptions",
    "RequestOptions",
    "RequestRejected",
    "Score",
    "SecondsLeft",
    "ServiceUnreachable",
    "Summary",
    "TrustScores",
    "UnexpectedResponse",
    "WaitTimedOut",
    "WebhookStatus",
    "to_pandas",
]
