"""Finished explanations: the job, its result and its objects."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from seewhy.errors import ExplanationGone, InvalidRequest, ObjectNotFound, ResultNotReady
from seewhy.imaging import maps
from seewhy.imaging.arrays import MapArray
from seewhy.quoting import quote
from seewhy.schemas.context import RequestContext
from seewhy.schemas.job import Job
from seewhy.schemas.result import Result
from seewhy_api.http.representations import entity_tag
from seewhy_api.routes.dependencies import Dependencies
from seewhy_api.routes.render_options import MapChoice, MapsChoice


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The result of one job."""

    deps: Dependencies
    tenant: str
    job: Job
    result: Result

    def maps_of(self, choice: MapsChoice) -> "StoredResult":
        """Return the result with the maps of one method at one layer. Raises `InvalidRequest`."""
        try:
            return replace(self, result=self.result.maps_of(choice.method, choice.layer))
        except KeyError:
            known = ", ".join(_describe(one.method, one.layer) for one in self.result.map_sets)
            method = "any method" if choice.method is None else quote(choice.method)
            wanted = _describe(method, "" if choice.layer is None else quote(choice.layer))
            raise InvalidRequest(
                f"This explanation has no maps of {wanted}; it has maps of: {known}."
            ) from None

    def find_map(self, choice: MapChoice) -> int:
        """Return the index of the chosen map. Raises `InvalidRequest` and `UnknownClass`."""
        targets = self.result.targets
        if choice.map is not None:
            if choice.target is not None or choice.map >= len(targets):
                last = len(targets) - 1
                raise InvalidRequest(f"map must be an index from 0 to {last}, without target.")
            return choice.map
        if choice.target is None:
            return 0
        class_index = self.deps.catalog.get(self.result.model).labels.index_of(choice.target)
        explained = [target.score.index for target in targets]
        if class_index not in explained:
            names = ", ".join(f"{t.score.index} ({t.score.label})" for t in targets)
            raise InvalidRequest(
                f"Class {class_index} was not explained. Explained classes: {names}."
            )
        return explained.index(class_index)

    def tag(self, *parts: object) -> str:
        """Return the entity tag of a representation of the maps that `parts` describe.

        The key of the stored map names the job and its run, whose options never change.
        """
        objects, digests = self.result.objects, self.result.digests
        return entity_tag(objects["map"], digests.get("map"), *parts)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Count a drawing of the tenant. Raises `TooManyRenderings`.

        A waiting drawing counts too, and so does reading what it needs: all of them occupy threads.
        """
        with self.deps.drawings.take(self.tenant):
            yield

    def read_maps(self) -> MapArray:
        """Read the maps `(targets, map_height, map_width)`. Raises `ExplanationGone`."""
        return maps.decode_npy(self.read_object("map"))

    def read_object(self, name: str) -> bytes:
        """Read an object of the result. Raises `ExplanationGone`."""
        return self._read(self.result.objects[name], what="result")

    def read_image(self) -> bytes:
        """Read the encoded image. Raises `ExplanationGone`."""
        return self._read(self.job.image_key, what="image")

    def _read(self, key: str, *, what: str) -> bytes:
        try:
            return self.deps.store.get(key)
        except ObjectNotFound as error:
            raise ExplanationGone(f"The {what} is past its retention and was deleted.") from error


def _describe(method: str, layer: str) -> str:
    return f"{method} at {layer}" if layer else method


def read_result(deps: Dependencies, job_id: str, *, context: RequestContext) -> StoredResult:
    """Return the result of a job. Raises `ResultNotReady` and as `JobLookup.read_job`."""
    record = deps.lookup.read_job(job_id, context=context)
    if record.result is None:
        raise ResultNotReady(f"The explanation is {record.state}; it has no result.")
    job = Job.model_validate_json(record.job)
    return StoredResult(deps, context.tenant, job, Result.model_validate_json(record.result))
