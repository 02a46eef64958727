"""One row per composition: stability, conductivity, activation energy and verdict, traceable to their documents."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from disolyte.diffusion.gates import Verdict
from disolyte.diffusion.schema import ConductivitySource, TransportDoc
from disolyte.models.schema import ModelIdentity
from disolyte.provenance import merge_caveats
from disolyte.records import Record
from disolyte.results.query import Results
from disolyte.thermodynamics.schema import PhaseDiagramDoc, PhaseRow

NOT_SIMULATED = "not simulated"
"""Verdict of a composition whose diffusion nobody asked for."""


class CompositionSummary(Record):
    """What is known of one composition. Unknown numbers are None."""

    formula: str = Field(description="Formula of one formula unit.")
    phase: str = Field(default="", description="What tells it from other phases of its formula.")
    coordinates: dict[str, float] = Field(description="Place on the composition grid.")
    formation_energy_ev_per_atom: float | None = Field(description="Energy of formation from the end members.")
    e_hull_ev_per_fu: float | None = Field(description="Energy above the hull per formula unit.")
    e_hull_ev_per_atom: float | None = Field(description="Energy above the hull per atom.")
    temperatures_k: list[float] = Field(description="Temperatures simulated.")
    reference_temperature_k: float | None = Field(description="Temperature that compositions are compared at.")
    conductivity_s_per_cm: float | None = Field(description="Conductivity at that temperature, Haven ratio 1.")
    conductivity_ci95_s_per_cm: tuple[float, float] | None = Field(description="Its 95 % interval.")
    conductivity_source: str | None = Field(description="Whether it was simulated or read off the Arrhenius line.")
    conductivity_is_upper_limit: bool = Field(
        default=False, description="Whether nothing was seen to move, so that the conductivity is only a limit."
    )
    activation_energy_ev: float | None = Field(description="Activation energy of the diffusivity.")
    activation_energy_std_ev: float | None = Field(description="Its standard error.")
    verdict: str = Field(description="converged, upper_limit, unreliable, or not simulated.")
    reasons: list[str] = Field(description="What speaks against 'converged'.")
    caveats: list[str] = Field(description="Surrogates and small models that the numbers rest on.")
    model: ModelIdentity | None = Field(description="Model behind the numbers.")
    phase_diagram_uuid: str | None = Field(description="Document of the stability.")
    transport_uuid: str | None = Field(description="Document of the transport.")

    @property
    def is_read_off(self) -> bool:
        """Whether the conductivity was read off the Arrhenius line, for want of a converged run."""
        simulated = {None, ConductivitySource.SIMULATED.value}
        return self.conductivity_source not in simulated and not self.conductivity_is_upper_limit

    @property
    def model_mark(self) -> str:
        """Beginning of the model's hash."""
        return self.model.sha256[:6] if self.model else ""

    @property
    def label(self) -> str:
        """Phase and formula."""
        return " ".join(filter(None, [self.phase, self.formula]))


def mark_models(rows: Sequence[CompositionSummary]) -> dict[str, str]:
    """Short marks of the models behind the rows, and their names; empty where all rest on one."""
    models = {row.model_mark: row.model.name for row in rows if row.model}
    return models if len(models) > 1 else {}


def summarise(results: Results) -> list[CompositionSummary]:
    """Summaries of all compositions, phases and models, in the order of the hull."""
    diagrams = results.documents(PhaseDiagramDoc)
    diagram = diagrams[-1] if diagrams else None
    transports: dict[str, list[TransportDoc]] = {}
    for doc in results.transport():
        transports.setdefault(doc.formula, []).append(doc)
    rows = {} if diagram is None else {row.formula: row for row in diagram.hull.rows}
    return [
        # The hull is that of the grid's own phase.
        _summary(formula, diagram, None if transport and transport.phase else rows.get(formula), transport)
        for formula in {**rows, **transports}
        for transport in transports.get(formula, [None])
    ]


def _summary(
    formula: str, diagram: PhaseDiagramDoc | None, row: PhaseRow | None, transport: TransportDoc | None
) -> CompositionSummary:
    points = [state.point for state in diagram.ground_states] if diagram else []
    point = next((point for point in points if point.formula == formula), transport.point if transport else None)
    reference = transport.reference_conductivity if transport else None
    return CompositionSummary(
        formula=formula,
        phase=transport.phase if transport else "",
        coordinates=point.coordinates if point else {},
        formation_energy_ev_per_atom=row.formation_energy_ev_per_atom if row else None,
        e_hull_ev_per_fu=row.e_hull_ev_per_fu if row else None,
        e_hull_ev_per_atom=row.e_hull_ev_per_atom if row else None,
        temperatures_k=[run.temperature_k for run in transport.runs] if transport else [],
        reference_temperature_k=reference.temperature_k if reference else None,
        conductivity_s_per_cm=reference.conductivity_s_per_cm if reference else None,
        conductivity_ci95_s_per_cm=reference.conductivity_ci95_s_per_cm if reference else None,
        conductivity_source=reference.source.value if reference else None,
        conductivity_is_upper_limit=bool(reference and reference.verdict is Verdict.UPPER_LIMIT),
        activation_energy_ev=transport.activation_energy_ev if transport else None,
        activation_energy_std_ev=transport.activation_energy_std_ev if transport else None,
        verdict=transport.verdict.value if transport else NOT_SIMULATED,
        reasons=transport.reasons if transport else [],
        caveats=merge_caveats(doc for doc in (diagram, transport) if doc is not None),
        model=transport.model if transport else None,
        phase_diagram_uuid=diagram.uuid if diagram and row else None,
        transport_uuid=transport.uuid if transport else None,
    )
