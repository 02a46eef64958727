"""Where a number comes from: the documents behind one, their jobs, seeds, models and datasets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import Field

from disolyte.errors import ResultsError
from disolyte.records import Record
from disolyte.results.query import Results

HASHES: Mapping[str, str] = {
    "sha256": "model",
    "model_sha256": "model",
    "model.sha256": "model",
    "dataset_sha256": "dataset",
    "foundation.sha256": "foundation",
}
"""Fields of documents that hold a hash, and what it is of."""


class TraceNode(Record):
    """One document, and those it was made from."""

    kind: str = Field(description="Class of the document.")
    uuid: str = Field(description="Its uuid, which is that of its job.")
    job: str | None = Field(default=None, description="Name of the job.")
    made_at: str | None = Field(default=None, description="Time of making, UTC.")
    folder: str | None = Field(default=None, description="Host and folder of the job.")
    seed: int | None = Field(default=None, description="Seed of everything random in the job.")
    hashes: dict[str, str] = Field(default_factory=dict, description="SHA-256 of models and datasets.")
    names: dict[str, str] = Field(default_factory=dict, description="Composition and model by name.")
    versions: dict[str, str] = Field(default_factory=dict, description="Versions of the packages that matter.")
    caveats: list[str] = Field(default_factory=list, description="What a reader must know.")
    recorded_sha256: str | None = Field(default=None, description="Its content hash in the document above.")
    is_repeated: bool = Field(default=False, description="Whether its inputs were shown further up.")
    inputs: list[Self] = Field(default_factory=list, description="Documents it was made from.")

    def walk(self) -> Iterator[Self]:
        """Yield the node and all below it."""
        yield self
        for node in self.inputs:
            yield from node.walk()


def trace_document(results: Results, uuid: str) -> TraceNode:
    """Tree of the documents behind one.

    Parameters
    ----------
    results
        Documents of the campaign; inputs may belong to other campaigns of the store.
    uuid
        uuid of the document, or at least six characters of its beginning.

    Raises
    ------
    ResultsError
        If no or more than one document fits.
    """
    return _node(results, _whole_uuid(results, uuid), None, set())


def _whole_uuid(results: Results, text: str) -> str:
    if len(text) < 6 or not set(text.lower()) <= set("0123456789abcdef-"):
        raise ResultsError(f"{text!r} is no uuid: give at least six characters of its beginning, as reports show them")
    known = results.store.docs_store.distinct("uuid", {"uuid": {"$regex": f"^{text}"}})
    if len(known) != 1:
        found = "none" if not known else f"{len(known)}"
        raise ResultsError(f"{found} of the store's documents begin with {text!r}; give more of the uuid, or check it")
    return str(known[0])


def _node(results: Results, uuid: str, recorded: Mapping[str, Any] | None, seen: set[str]) -> TraceNode:
    wanted = ["uuid", "index", "name", "output.@class", "output.provenance", "output.caveats", "output.formula"]
    wanted += ["output.point.formula", "output.name", "output.model.name", "output.model_name"]
    wanted += [f"output.{field}" for field in HASHES]
    entries = list(results.store.docs_store.query({"uuid": uuid}, wanted))
    entry: dict[str, Any] = max(entries, key=lambda item: item["index"]) if entries else {}
    output: dict[str, Any] = found if isinstance(found := entry.get("output"), dict) else {}
    provenance = _mapping(output.get("provenance"))
    is_repeated = uuid in seen
    seen.add(uuid)
    # The store is written by others, too: what has not the shape of a record is passed over.
    listed = provenance.get("inputs")
    records = [_mapping(record) for record in listed] if isinstance(listed, list) and not is_repeated else []
    inputs = [record for record in records if isinstance(record.get("uuid"), str)]
    caveats = output.get("caveats")
    return TraceNode(
        kind=str(output.get("@class") or (recorded or {}).get("kind") or "unknown"),
        uuid=uuid,
        job=entry.get("name"),
        made_at=None if not provenance else str(provenance.get("created_at"))[:19],
        folder=None if provenance.get("dir_name") is None else str(provenance["dir_name"]),
        seed=seed if isinstance(seed := provenance.get("seed"), int) else None,
        hashes={label: value for field, label in HASHES.items() if isinstance(value := _at(output, field), str)},
        names=_names(output),
        versions={key: str(value) for key, value in _mapping(provenance.get("versions")).items()},
        caveats=[str(caveat) for caveat in caveats] if isinstance(caveats, list) else [],
        recorded_sha256=(recorded or {}).get("sha256"),
        is_repeated=is_repeated,
        inputs=[_node(results, record["uuid"], record, seen) for record in inputs],
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(output: Mapping[str, Any]) -> dict[str, str]:
    composition = _at(output, "point.formula") or output.get("formula")
    model = _at(output, "model.name") or output.get("model_name") or output.get("name")
    found = {"composition": composition, "model": model}
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _at(output: Mapping[str, Any], dotted: str) -> Any:
    value: Any = output
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
