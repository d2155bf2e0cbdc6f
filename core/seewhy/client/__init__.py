"""The Python client of a seewhy service.

>>> from seewhy.client import Client
>>> with Client("http://127.0.0.1:8000") as client:  # doctest: +SKIP
...     explanation = client.explain(Path("cat.jpg"), targets="top:3")
...     print(explanation.result.top[0].label)
...     Path("cat.seewhy.jpg").write_bytes(client.overlay(explanation))
"""

from seewhy.client.answers import Event, Explanation, Models, Outcome, Score, Told, Trust
from seewhy.client.errors import (
    ClientError,
    Failed,
    Refused,
    ServiceUnreachable,
    TimedOut,
    UnexpectedAnswer,
)
from seewhy.client.service import Client, Options

__all__ = [
    "Client",
    "ClientError",
    "Event",
    "Explanation",
    "Failed",
    "Models",
    "Options",
    "Outcome",
    "Refused",
    "Score",
    "ServiceUnreachable",
    "TimedOut",
    "Told",
    "Trust",
    "UnexpectedAnswer",
]
