"""The stored agreements of explanations with annotations, ranked by project."""

import heapq
from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from seewhy.errors import ObjectNotFound
from seewhy.schemas.agreement import MAX_EXAMINED, MeasuredAgreement, ProjectAgreements
from seewhy.storage.agreement_keys import (
    AgreementKey,
    deletion_name,
    parse_agreement_name,
    project_folder,
)
from seewhy.storage.port import ObjectStore


class AgreementStore:
    """The agreements in an object store. Thread-safe.

    The state of an annotation that was changed last counts, in whatever order they were written.
    """

    def __init__(self, store: ObjectStore) -> None:
        """Keep agreements in `store`."""
        self._store = store

    def put(self, measured: MeasuredAgreement, *, updated_ms: int, tenant: str) -> None:
        """Store an agreement. Raises `StoreUnavailable`."""
        energy = measured.agreement.energy_inside
        key = AgreementKey(
            task=measured.task,
            annotation=measured.annotation,
            updated_ms=updated_ms,
            energy="none" if energy is None else energy,
            job_id=measured.explanation,
        )
        self._write(key, str(measured.project), measured.model_dump_json().encode(), tenant)

    def put_empty(self, key: AgreementKey, *, project: int, tenant: str) -> None:
        """Store that an annotation marks nothing. Raises `StoreUnavailable`."""
        self._write(key, str(project), b"{}", tenant)

    def _write(self, key: AgreementKey, project: str, body: bytes, tenant: str) -> None:
        folder = project_folder(project, tenant=tenant)
        self._store.put(folder + key.name, body, content_type="application/json")
        written = list(self._of_task(key.task, folder))
        newest = _newest(iter(written))
        for each in written:
            if each.annotation == key.annotation and each not in newest:
                self._store.delete(folder + each.name)
        if self._is_deleted(key.annotation, folder):
            self._store.delete(folder + key.name)

    def mark_deleted(
        self, annotations: set[int], *, project: int, tenant: str
    ) -> list[AgreementKey]:
        """Let no agreement with these annotations be written any more; return those that exist.

        Raises `StoreUnavailable`.
        """
        folder = project_folder(str(project), tenant=tenant)
        for annotation in annotations:
            self._store.put(
                folder + deletion_name(annotation), b"{}", content_type="application/json"
            )
        return [key for key in self._keys(folder) if key.annotation in annotations]

    def delete(self, keys: Iterable[AgreementKey], *, project: int, tenant: str) -> None:
        """Delete agreements. Raises `StoreUnavailable`."""
        folder = project_folder(str(project), tenant=tenant)
        for key in keys:
            self._store.delete(folder + key.name)

    def energy_of(
        self, task: int, *, project: int, tenant: str, without: Collection[int] = ()
    ) -> float | None:
        """Return the lowest energy inside an annotation of a task; None without one.

        Annotations in `without` do not count.
        """
        folder = project_folder(str(project), tenant=tenant)
        keys = _newest(self._of_task(task, folder))
        energies = (one.energy for one in keys if one.annotation not in without)
        return min((each for each in energies if isinstance(each, float)), default=None)

    def find(
        self, job_id: str, *, project: int, task: int, tenant: str
    ) -> MeasuredAgreement | None:
        """Return the agreement of an explanation. Raises `StoreUnavailable`."""
        folder = project_folder(str(project), tenant=tenant)
        for key in self._of_task(task, folder):
            if key.job_id == job_id and key.energy != "empty":
                return self._read(folder + key.name)
        return None

    def worst(self, project: str, *, limit: int, tenant: str) -> ProjectAgreements:
        """Return the agreements of a project with the least energy inside, worst first.

        Those without an energy are last. Raises `StoreUnavailable`.
        """
        folder = project_folder(project, tenant=tenant)
        listed = list(islice(self._keys(folder), MAX_EXAMINED + 1))
        ranked = [key for key in _newest(iter(listed[:MAX_EXAMINED])) if key.energy != "empty"]
        first = heapq.nsmallest(limit, ranked, key=_rank)
        read = (self._read(folder + key.name) for key in first)
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

    def _is_deleted(self, annotation: int, folder: str) -> bool:
        try:
            self._store.get(folder + deletion_name(annotation))
        except ObjectNotFound:
            return False
        return True

    def _keys(self, folder: str) -> Iterator[AgreementKey]:
        for key in self._store.list_keys(folder):
            if parsed := parse_agreement_name(key.removeprefix(folder)):
                yield parsed

    def _of_task(self, task: int, folder: str) -> Iterator[AgreementKey]:
        for key in self._store.list_keys(f"{folder}{task}/"):
            if parsed := parse_agreement_name(key.removeprefix(folder)):
                yield parsed


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
