"""Traces: from a request to its job, its batch and its result, through the store."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from flask.testing import FlaskClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan

from http_api import MODEL, submit_image
from optionals import present
from seewhy.errors import SettingsError
from seewhy.jobs.manifest import Manifest
from seewhy.jobs.rebuild import Rebuilder
from seewhy.ledger.redis.ledger import open_ledger
from seewhy.ledger.types import lanes_of
from seewhy.monitoring.open_tracing import open_tracing
from seewhy.monitoring.tracing import NoTracing, Tracing
from seewhy.settings import Settings, load
from seewhy.storage.keys import manifest_key
from seewhy.storage.obstore_adapter import open_store
from seewhy_api.app import Api, create_api
from seewhy_worker.app import create_worker
from seewhy_worker.stub import StubExplainer, StubModels
from servers.valkey import RedisServer
from span_recorder import SpanRecorder, trace_of, traceparent

JOBS = 8


@pytest.fixture
def recorder() -> SpanRecorder:
    return SpanRecorder()


@pytest.fixture
def api(settings: Settings, recorder: SpanRecorder) -> Api:
    """An API that makes spans."""
    return create_api(settings, tracing=recorder.tracing)


def submit(client: FlaskClient, cat: bytes, number: int) -> str:
    """Submit in a trace of the client; return the id of the job."""
    headers = {"traceparent": traceparent(number)}
    answer = submit_image(client, cat, headers=headers, cache=False)
    assert answer.status_code == 202
    return str(answer.get_json()["id"])


def run_worker(settings: Settings, tracing: Tracing) -> int:
    """Run a stub worker until no job is ready; return how many jobs it claimed."""
    worker = create_worker(settings, source=StubModels(lambda _: StubExplainer()), tracing=tracing)
    return worker.runner.run_lane(lanes_of(MODEL)[0])


def by_trace(spans: list[ReadableSpan]) -> dict[int, ReadableSpan]:
    found = {trace_of(span): span for span in spans}
    assert len(found) == len(spans)
    return found


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    return present(span.parent).span_id == present(parent.context).span_id


def test_a_batch_links_to_its_jobs_and_each_trace_reaches_its_result(
    client: FlaskClient, cat: bytes, settings: Settings, recorder: SpanRecorder
) -> None:
    job_ids = {number: submit(client, cat, number) for number in range(1, JOBS + 1)}
    assert run_worker(settings, recorder.tracing) == JOBS
    requests = by_trace(recorder.named("POST /v1/explanations"))
    jobs, steps = by_trace(recorder.named("job")), ("fetch", "publish")
    assert requests.keys() == jobs.keys() == job_ids.keys(), "the traces of the clients"
    (batch,) = recorder.named("batch")
    assert trace_of(batch) not in jobs
    linked = {(link.context.trace_id, link.context.span_id) for link in batch.links}
    assert linked == {(trace, present(span.context).span_id) for trace, span in jobs.items()}
    for trace, job in jobs.items():
        assert present(requests[trace].parent).span_id == trace, "of the client's span"
        assert is_child(job, requests[trace])
        assert all(is_child(by_trace(recorder.named(name))[trace], job) for name in steps)
        attributes = present(job.attributes)
        assert attributes["seewhy.job_id"] == job_ids[trace]
        assert attributes["seewhy.outcome"] == "succeeded"
        assert present(requests[trace].attributes)["http.response.status_code"] == 202
    statuses = [
        client.get(f"/v1/explanations/{each}").get_json()["status"] for each in job_ids.values()
    ]
    assert statuses == ["succeeded"] * JOBS


def test_a_trace_survives_a_loss_of_redis(
    client: FlaskClient, cat: bytes, settings: Settings, recorder: SpanRecorder, valkey: RedisServer
) -> None:
    job_id = submit(client, cat, 1)
    store = open_store(settings)
    context = Manifest.model_validate_json(store.get(manifest_key(job_id))).submission.context
    (request,) = recorder.named("POST /v1/explanations")
    span_id = f"{present(request.context).span_id:016x}"
    assert context.traceparent == f"00-{1:032x}-{span_id}-01"
    with valkey.client() as redis:
        redis.flushdb()
    rebuilder = Rebuilder(ledger=open_ledger(settings), store=store, retention_s=3600)
    for _ in rebuilder.rebuild():
        pass
    run_worker(settings, recorder.tracing)
    (job,) = recorder.named("job")
    assert trace_of(job) == 1
    assert is_child(job, request)


@pytest.mark.parametrize("sent", [None, "", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_request_without_a_valid_trace_begins_one(
    client: FlaskClient, recorder: SpanRecorder, sent: str | None
) -> None:
    client.post("/v1/explanations", headers={} if sent is None else {"traceparent": sent})
    (request,) = recorder.named("POST /v1/explanations")
    assert request.parent is None
    assert trace_of(request) != 0


def test_of_an_error_only_the_class_is_recorded(recorder: SpanRecorder) -> None:
    with pytest.raises(ValueError, match="s3cret"), recorder.tracing.span("x"):
        raise ValueError("s3cret")
    (span,) = recorder.named("x")
    assert present(span.attributes)["error.type"] == "ValueError"
    assert "s3cret" not in span.to_json()


def test_while_traces_are_off_nothing_is_imported_and_no_trace_is_kept(
    settings: Settings, cat: bytes
) -> None:
    client = create_api(settings).flask.test_client()
    submit(client, cat, 1)
    (claim,) = open_ledger(settings).claim(lanes_of(MODEL), owner="w", limit=1)
    assert claim.context.traceparent is None
    # Without the extra; with it, redis-py imports OpenTelemetry for metrics of its own.
    code = (
        "import sys; sys.modules['opentelemetry'] = None;"
        "import seewhy_api.app, seewhy_api.webhooks.app, seewhy_worker.app;"
        "from seewhy.monitoring.open_tracing import open_tracing; from seewhy.settings import load;"
        "open_tracing(load({}), service='api');"
        "print('seewhy.monitoring.opentelemetry_tracing' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"


def test_traces_need_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "seewhy.monitoring.opentelemetry_tracing", None)
    settings = load({}, traces_endpoint="http://127.0.0.1:1/v1/traces")
    with pytest.raises(SettingsError, match=r"pip install 'seewhy\[tracing\]'"):
        open_tracing(settings, service="api")
    assert isinstance(open_tracing(load({}), service="api"), NoTracing)


@pytest.fixture
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """The URL of a collector, and what it has received."""
    received: list[ExportTraceServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", received
        server.shutdown()
        thread.join()


def test_spans_are_sent_over_otlp_before_a_process_ends(
    collector: tuple[str, list[ExportTraceServiceRequest]],
) -> None:
    url, received = collector
    tracing = open_tracing(load({}, traces_endpoint=url), service="worker")
    with tracing.span("job", parent=traceparent(7), attributes={"seewhy.job_id": "j"}):
        pass
    tracing.stop()
    (sent,) = received
    (resource,) = sent.resource_spans
    names = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert names["service.name"] == "seewhy-worker"
    (span,) = resource.scope_spans[0].spans
    assert (span.name, int.from_bytes(span.trace_id)) == ("job", 7)


def test_the_share_of_traces_is_taken_by_their_ids(
    collector: tuple[str, list[ExportTraceServiceRequest]],
) -> None:
    """A client that asks for its trace to be sampled gets no other answer."""
    url, received = collector
    tracing = open_tracing(load({}, traces_endpoint=url, traces_share=0), service="api")
    with tracing.span("POST", parent=traceparent(1)) as span:
        assert present(span.traceparent).endswith("-00")
    tracing.stop()
    assert received == []
