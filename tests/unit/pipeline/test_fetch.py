"""Fetching images, by way of a worker."""

from typing import Any

from in_memory_worker import IMAGE_KEY, InMemoryWorker, job_ids
from seewhy.schemas.job import JobState, MethodOptions
from seewhy.schemas.targets import Target
from seewhy.storage.keys import image_key
from seewhy_worker.explain.types import ExplanationTask


def test_only_the_job_of_an_undecodable_or_expired_image_fails(worker: InMemoryWorker) -> None:
    good, broken, expired = job_ids(3)
    worker.store.put("images/broken", b"\xff\xd8\xff nonsense", content_type="image/jpeg")
    worker.submit(good)
    worker.submit(broken, key="images/broken")
    worker.submit(expired, key="images/expired")
    worker.run()
    assert worker.outcome(good) == (JobState.SUCCEEDED, None)
    assert worker.outcome(broken) == (JobState.FAILED, "broken_image")
    assert worker.outcome(expired) == (JobState.FAILED, "image_gone")


def test_the_explainer_receives_each_job_s_targets_and_method_options(
    worker: InMemoryWorker,
) -> None:
    options: dict[str, Any] = {
        "method": "hirescam",
        "fallback": ("layercam",),
        "score": "probability",
        "layers": ("conv",),
    }
    plain, custom, classic = job_ids(3)
    worker.submit(plain, targets=(2, Target(index=0, against=True)))
    worker.submit(custom, **options)
    worker.submit(classic, method="classic", score="probability", preset="classic")
    received: list[ExplanationTask] = []
    worker.explainer.before_batch = received.extend
    worker.run()
    assert [task.options for task in received] == [
        MethodOptions(),
        MethodOptions.model_validate(options),
        MethodOptions(method="classic", score="probability"),
    ]
    assert received[0].targets == (Target(index=2), Target(index=0, against=True))
    assert [worker.result(job).score for job in job_ids(3)] == [
        "logit",
        "probability",
        "probability",
    ]


def test_activations_are_kept_by_the_stored_image_whose_key_names_the_tenant(
    worker: InMemoryWorker,
) -> None:
    image = worker.store.get(IMAGE_KEY)
    keys = [image_key("1" * 64, tenant=tenant) for tenant in ("a", "b")]
    for job, key in zip(job_ids(2), keys, strict=True):
        worker.store.put(key, image, content_type="image/jpeg")
        worker.submit(job, key=key)
    received: list[ExplanationTask] = []
    worker.explainer.before_batch = received.extend
    worker.run()
    assert [task.image.cache_key for task in received] == keys
