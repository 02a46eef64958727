"""Ask the store for what a campaign has found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from jobflow import JobStore
from monty.json import MontyDecoder
from pydantic import ValidationError

from disolyte.diffusion.schema import DiffusionDoc, TransportDoc
from disolyte.errors import ResultsError
from disolyte.labelling.schema import DatasetDoc
from disolyte.models.schema import ModelDoc
from disolyte.provenance import StageDoc
from disolyte.records import TRUSTED_PACKAGES, foreign_module
from disolyte.thermodynamics.schema import PhaseDiagramDoc, SelectionDoc

Doc = TypeVar("Doc", bound=StageDoc)


class Results:
    """Documents of a campaign in a job store, by kind, composition and temperature.

    Parameters
    ----------
    store
        The job store. It is connected if it is not yet.
    campaign
        Name of the campaign; all of the store if None.

    Examples
    --------
    >>> from jobflow import SETTINGS
    >>> results = Results(SETTINGS.JOB_STORE)
    >>> results.transport()
    []
    """

    def __init__(self, store: JobStore, campaign: str | None = None) -> None:
        store.connect()
        self.store = store
        self.campaign = campaign

    def documents(self, kind: type[Doc], *, load: bool = False) -> list[Doc]:
        """All documents of a kind, the oldest first. ResultsError is raised for those of another version.

        Parameters
        ----------
        kind
            Class of the documents.
        load
            Whether to fetch the payloads of their blobs, too.
        """
        return list(self._find(kind, load=load))

    def latest(self, kind: type[Doc], *, load: bool = False) -> Doc:
        """The newest document of a kind.

        Raises
        ------
        ResultsError
            If there is none.
        """
        documents = self.documents(kind, load=load)
        if not documents:
            where = f"campaign '{self.campaign}'" if self.campaign else "the store"
            raise ResultsError(f"{where} holds no {kind.__name__} yet; see which jobs are unfinished or failed")
        return documents[-1]

    def transport(self, formula: str | None = None, *, load: bool = False) -> list[TransportDoc]:
        """Transport of each composition, phase and model, or those of one formula: Arrhenius line, verdict, and so on.

        Of several documents of the same composition, phase and model, the newest.
        """
        newest = {(doc.label, doc.model.sha256): doc for doc in self._find(TransportDoc, load=load)}
        return [doc for doc in newest.values() if formula in {None, doc.formula}]

    def diffusion(
        self, formula: str, temperature_k: float, *, phase: str | None = None, model_sha256: str | None = None
    ) -> DiffusionDoc:
        """Diffusion of one composition at one temperature.

        Parameters
        ----------
        formula
            The composition.
        temperature_k
            Temperature.
        phase
            Its phase, where there are several.
        model_sha256
            The model's hash, or its beginning, where there are several.

        Raises
        ------
        ResultsError
            If it was not simulated, or several phases or models fit.
        """
        documents = [
            run
            for doc in self.transport(formula, load=True)
            for run in doc.runs
            if phase in {None, doc.phase} and doc.model.sha256.startswith(model_sha256 or "")
        ]
        found = [run for run in documents if abs(run.temperature_k - temperature_k) < 0.5]
        if len(found) > 1:
            fits = ", ".join(f"{run.label} with {run.model.name} {run.model.sha256[:6]}" for run in found)
            raise ResultsError(f"several fit: {fits}; say which by phase and model_sha256")
        if found:
            return found[0]
        known = ", ".join(f"{run.temperature_k:g} K" for run in documents) or "no temperature"
        raise ResultsError(f"{formula} was not simulated at {temperature_k:g} K; there is {known}")

    def selection(self, *, load: bool = False) -> SelectionDoc:
        """The selection of structures for the training set."""
        return self.latest(SelectionDoc, load=load)

    def dataset(self, *, load: bool = False) -> DatasetDoc:
        """The dataset."""
        return self.latest(DatasetDoc, load=load)

    def model(self, *, load: bool = False) -> ModelDoc:
        """The fine-tuned model."""
        return self.latest(ModelDoc, load=load)

    def phase_diagram(self, *, load: bool = False) -> PhaseDiagramDoc:
        """Hull with the fine-tuned model."""
        return self.latest(PhaseDiagramDoc, load=load)

    def raw(
        self, kind: str, fields: Sequence[str], criteria: Mapping[str, Any] | None = None
    ) -> list[tuple[str, dict[str, Any]]]:
        """The uuid and some fields of all documents of a kind, the oldest first, as the store holds them.

        Parameters
        ----------
        kind
            Name of the documents' class.
        fields
            Fields of the documents, dotted where they are nested.
        criteria
            More that must hold, of the store's entries.
        """
        wanted = ["uuid", "index", "completed_at", *(f"output.{field}" for field in fields)]
        asked = {"output.@class": kind, **self._mine(), **(criteria or {})}
        newest: dict[str, dict[str, Any]] = {}
        for entry in self.store.docs_store.query(asked, wanted):
            known = newest.get(entry["uuid"])
            if known is None or known["index"] < entry["index"]:
                newest[entry["uuid"]] = entry
        in_order = sorted(newest.values(), key=lambda entry: str(entry.get("completed_at")))
        return [(entry["uuid"], entry.get("output") or {}) for entry in in_order]

    def _mine(self) -> dict[str, Any]:
        return {} if self.campaign is None else {"metadata.campaign": self.campaign}

    def _find(self, kind: type[Doc], *, load: bool) -> Iterator[Doc]:
        criteria = {"output.@class": kind.__name__, "output.@module": kind.__module__, **self._mine()}
        # A job that was replaced has one entry per index; the last holds the result.
        newest: dict[str, tuple[int, str, dict[str, Any]]] = {}
        try:
            for entry in self.store.query(criteria, load=load):
                known = newest.get(entry["uuid"])
                if known is None or known[0] < entry["index"]:
                    newest[entry["uuid"]] = (entry["index"], entry["completed_at"], entry["output"])
        except KeyError as error:
            # jobflow writes a document before its blobs.
            raise ResultsError(
                f"a {kind.__name__} of the store is not whole, blob {error} is missing: its job was cut off while it "
                "wrote; run 'disolyte rerun', then 'disolyte work'"
            ) from error
        trusted = {*TRUSTED_PACKAGES, kind.__module__.partition(".")[0]}
        for _, _, output in sorted(newest.values(), key=lambda item: item[1]):
            if (module := foreign_module(output, trusted)) is not None:
                raise ResultsError(
                    f"the {kind.__name__} {output.get('uuid')} names the module {module!r}, which nothing of disolyte "
                    "writes: it was not read, for that would import the module; remove the document from the store"
                )
            try:
                yield MontyDecoder().process_decoded(output)
            except ValidationError as error:
                raise ResultsError(
                    f"the {kind.__name__} {output.get('uuid')} does not fit this version of disolyte "
                    f"({error.error_count()} fields); read it with the version in its provenance"
                ) from error
