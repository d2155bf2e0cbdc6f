"""The spans of the jobs that a worker has claimed, and of its batches."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

from seewhy.ledger.types import Claim, model_of
from seewhy.monitoring.tracing import Span, Tracing


class JobTraces:
    """Continues the trace of each request in its job. Thread-safe; one per worker process."""

    def __init__(self, tracing: Tracing) -> None:
        """Make spans with `tracing`."""
        self._tracing = tracing
        self._spans: dict[Claim, Span] = {}

    @contextmanager
    def jobs(self, claims: Sequence[Claim]) -> Iterator[None]:
        """Make a span of each job, from its claim to the end of the block."""
        if not self._tracing.enabled:
            yield
            return
        with ExitStack() as stack:
            for claim in claims:
                span = self._tracing.span(
                    "job",
                    kind="consumer",
                    parent=claim.context.traceparent,
                    attributes={
                        "seewhy.job_id": claim.job_id,
                        "seewhy.lane": claim.lane,
                        "seewhy.attempt": claim.attempt,
                        "seewhy.waited_ms": claim.waited_ms,
                    },
                )
                self._spans[claim] = stack.enter_context(span)
                stack.callback(self._spans.pop, claim)
            yield

    def batch(self, claims: Sequence[Claim]) -> AbstractContextManager[Span]:
        """Make a span of jobs that the device explains together, with a link to each."""
        named = (self._name_of(claim) for claim in claims)
        return self._tracing.span(
            "batch",
            links=[name for name in named if name],
            attributes={"seewhy.jobs": len(claims), "seewhy.model": model_of(claims[0].lane)},
        )

    def step(self, name: str, claim: Claim) -> AbstractContextManager[Span]:
        """Make a span of a step of one job: `fetch` or `publish`."""
        return self._tracing.span(name, parent=self._name_of(claim))

    def ended(self, outcome: str, claims: Sequence[Claim], applied: Sequence[bool]) -> None:
        """Record what was reported on jobs; `applied` says which reports the ledger took."""
        for claim, was_applied in zip(claims, applied, strict=False):
            if span := self._spans.get(claim):
                span.set({"seewhy.outcome": outcome if was_applied else "stale"})

    def _name_of(self, claim: Claim) -> str | None:
        span = self._spans.get(claim)
        return span.traceparent if span else None
