"""Explains photos for a command, which learns at once what the service warns of."""

import threading
from typing import Unpack

from seewhy.cli.terminal.console import error_console
from seewhy.client import Client, Explanation, ExplanationFailed, RequestOptions
from seewhy.client.images import Image
from seewhy.schemas.job import JobState


class Explainer:
    """Explains photos, and prints each kind of warning once on stderr. Thread-safe."""

    def __init__(self, client: Client, *, timeout_s: float = 300.0) -> None:
        """Wait up to `timeout_s` for each explanation."""
        self._client = client
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._printed: set[str] = set()

    def explain(self, photo: Image, **options: Unpack[RequestOptions]) -> Explanation:
        """Return the explanation of a photo. Raises as `Client.explain` does.

        `Client.explain` would wait for the outcome before it returned a warning.
        """
        explanation = self._client.submit(photo, **options)
        self._print_warnings(explanation)
        if not explanation.status.terminal:
            explanation = self._client.wait(explanation, timeout_s=self._timeout_s)
        if explanation.status is not JobState.SUCCEEDED:
            raise ExplanationFailed(explanation)
        return explanation

    def _print_warnings(self, explanation: Explanation) -> None:
        with self._lock:
            for warning in explanation.warnings:
                if warning.code not in self._printed:
                    self._printed.add(warning.code)
                    text = f"Warning: {warning.detail}"
                    error_console().print(text, style="yellow", soft_wrap=True)
