"""The stored agreements of explanations with annotations, ranked by project."""

import heapq
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from seewhy.errors import ObjectNotFound
from seewhy.schemas.agreement import MAX_EXAMINED, MeasuredAgreement, ProjectAgreements
from seewhy.storage.agreement_keys import (
    AgreementKey,
    ProjectKey,
    parse_agreement_name,
    parse_created_s,
    projects_folder,
)
from seewhy.storage.port import ObjectStore
from seewhy_api.label_studio.deleted_annotations import DeletedAnnotations

MAX_OF_TASK = 1_000
"""Annotations of one task: all of them are listed whenever one of them is measured."""


class AgreementStore:
    """The agreements in an object store. Thread-safe.

    The state of an annotation that was changed last counts, in whatever order they were written.
    """

    def __init__(self, store: ObjectStore) -> None:
        """Keep agreements in `store`."""
        self._store = store
        self._deleted = DeletedAnnotations(store)

    def put(
        self, measured: MeasuredAgreement, *, project: ProjectKey, updated_ms: int, tenant: str
    ) -> bool:
        """Store an agreement; False if the task has `MAX_OF_TASK` others.

        Raises `StoreUnavailable`.
        """
        energy = measured.agreement.energy_inside
        key = AgreementKey(
            task=measured.task,
            annotation=measured.annotation,
            updated_ms=updated_ms,
            energy="none" if energy is None else energy,
            job_id=measured.explanation,
        )
        body = measured.model_dump_json().encode()
        return self._write(key, body, project.folder(tenant=tenant))

    def put_empty(self, key: AgreementKey, *, project: ProjectKey, tenant: str) -> None:
        """Store that an annotation marks nothing, unless its task has `MAX_OF_TASK` others.

        Raises `StoreUnavailable`.
        """
        self._write(key, b"{}", project.folder(tenant=tenant))

    def _write(self, key: AgreementKey, body: bytes, folder: str) -> bool:
        self._store.put(folder + key.name, body, content_type="application/json")
        written = list(self._of_task(key.task, folder))
        annotations = [each.annotation for each in written]
        if len(set(annotations)) > MAX_OF_TASK and annotations.count(key.annotation) == 1:
            self._store.delete(folder + key.name)
            return False
        newest = _newest(iter(written))
        for each in written:
            if each.annotation == key.annotation and each not in newest:
                self._store.delete(folder + each.name)
        if not list(self._deleted.left([key.annotation], folder)):
            self._store.delete(folder + key.name)
        return True

    def mark_deleted(
        self, annotations: Collection[int], *, project: ProjectKey, tenant: str
    ) -> list[AgreementKey]:
        """Let agreements with these annotations count no more; return those that exist.

        Raises `StoreUnavailable`.
        """
        folder, deleted = project.folder(tenant=tenant), frozenset(annotations)
        self._deleted.mark(deleted, folder)
        return [key for key in self._keys(folder) if key.annotation in deleted]

    def delete(self, keys: Iterable[AgreementKey], *, project: ProjectKey, tenant: str) -> None:
        """Delete agreements. Raises `StoreUnavailable`."""
        folder = project.folder(tenant=tenant)
        for key in keys:
            self._store.delete(folder + key.name)

    def energy_of(
        self, task: int, *, project: ProjectKey, tenant: str, without: Collection[int] = ()
    ) -> float | None:
        """Return the lowest energy inside an annotation of a task; None without one.

        Annotations that were deleted or are in `without` do not count. Raises `StoreUnavailable`.
        """
        folder = project.folder(tenant=tenant)
        energies = {
            key.annotation: key.energy
            for key in _newest(self._of_task(task, folder))
            if isinstance(key.energy, float) and key.annotation not in without
        }
        lowest_first = sorted(energies, key=lambda annotation: energies[annotation])
        lowest = next(self._deleted.left(lowest_first, folder), None)
        return None if lowest is None else energies[lowest]

    def find(
        self, job_id: str, *, project: ProjectKey, task: int, tenant: str
    ) -> MeasuredAgreement | None:
        """Return the agreement of an explanation. Raises `StoreUnavailable`."""
        folder = project.folder(tenant=tenant)
        for key in self._of_task(task, folder):
            if key.job_id == job_id and key.energy != "empty":
                return self._read(folder + key.name)
        return None

    def worst(self, project_id: str, *, limit: int, tenant: str) -> ProjectAgreements:
        """Return the agreements of a project with the least energy inside, worst first.

        Those without an energy are last. Of several projects that had this id, one after the other,
        the one that was created last counts. Raises `StoreUnavailable`.
        """
        folder = projects_folder(project_id, tenant=tenant)
        names = (key.removeprefix(folder) for key in self._store.list_keys(folder))
        listed = list(islice(_by_creation(names), MAX_EXAMINED + 1))
        created_s = max((created_s for created_s, _ in listed), default=0)
        keys = (key for created, key in listed[:MAX_EXAMINED] if created == created_s)
        ranked = [key for key in _newest(keys) if key.energy != "empty"]
        first = heapq.nsmallest(limit, ranked, key=_rank)
        read = (self._read(f"{folder}{created_s}/{key.name}") for key in first)
        return ProjectAgreements(
            agreements=tuple(one for one in read if one),
            found=len(ranked),
            is_complete=len(listed) <= MAX_EXAMINED,
        )

    def _read(self, key: str) -> MeasuredAgreement | None:
        try:
            return MeasuredAgreement.model_validate_json(self._store.get(key))
        except ObjectNotFound:  # replaced since it was listed
            return None

    def _keys(self, folder: str) -> Iterator[AgreementKey]:
        for key in self._store.list_keys(folder):
            if parsed := parse_agreement_name(key.removeprefix(folder)):
                yield parsed

    def _of_task(self, task: int, folder: str) -> Iterator[AgreementKey]:
        for key in self._store.list_keys(f"{folder}{task}/"):
            if parsed := parse_agreement_name(key.removeprefix(folder)):
                yield parsed


def _by_creation(names: Iterable[str]) -> Iterator[tuple[int, AgreementKey]]:
    """Yield when the project was created, and the key, of each name that is of an agreement."""
    for name in names:
        created_s = parse_created_s(name)
        key = parse_agreement_name(name.partition("/")[2])
        if created_s is not None and key is not None:
            yield created_s, key


def _newest(keys: Iterator[AgreementKey]) -> list[AgreementKey]:
    """Keep for each annotation what was changed last."""
    newest: dict[tuple[int, int], AgreementKey] = {}
    for key in keys:
        known = newest.setdefault((key.task, key.annotation), key)
        if _order(key) > _order(known):
            newest[key.task, key.annotation] = key
    return list(newest.values())


def _order(key: AgreementKey) -> tuple[int, str]:
    return key.updated_ms, key.job_id


def _rank(key: AgreementKey) -> tuple[float, int, int]:
    energy = key.energy if isinstance(key.energy, float) else 2.0
    return energy, key.task, key.annotation
