"""The map of conductivities, and what a reader must know of its numbers."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from disolyte.diffusion.gates import Verdict
from disolyte.diffusion.schema import ConductivityRow, ConductivitySource, TransportDoc
from disolyte.errors import InputError
from disolyte.plots import plot_ternary_map
from disolyte.thermodynamics.schema import PhaseDiagramDoc


def map_conductivities(diagram: PhaseDiagramDoc, transports: Sequence[TransportDoc]) -> Figure | None:
    """Map of the conductivities at the temperature that compositions are compared at; None without any on it."""
    rows = {formula: row for formula, row in _rows(transports).items() if row.conductivity_s_per_cm > 0}
    if len(diagram.hull.end_members) != 3 or not rows:
        return None
    values = {formula: row.conductivity_s_per_cm for formula, row in rows.items()}
    temperature_k = next(iter(rows.values())).temperature_k
    try:
        return plot_ternary_map(
            diagram,
            values,
            value_label=f"Conductivity at {temperature_k:g} K (S/cm)",
            log_scale=len(set(values.values())) > 1,
            upper_limits=_with_verdict(rows, Verdict.UPPER_LIMIT),
            unreliable=_with_verdict(rows, Verdict.UNRELIABLE),
            notes=_notes(transports),
        )
    except InputError:
        # None of the compositions that were simulated is on the hull's plane.
        return None


def caption_map(transports: Sequence[TransportDoc]) -> str:
    """Caption of the map: what its markers mean, and which numbers no run stands behind."""
    caption = "Conductivity of the compositions simulated; white ones have none, or only an upper limit (<)."
    if _with_verdict(_rows(transports), Verdict.UNRELIABLE):
        caption += " Hatched ones are unreliable: their numbers are not to be compared."
    return " ".join([caption, *(f"{note[0].upper()}{note[1:]}." for note in _notes(transports))])


def _rows(transports: Sequence[TransportDoc]) -> dict[str, ConductivityRow]:
    return {doc.formula: doc.reference_conductivity for doc in transports if doc.reference_conductivity is not None}


def _with_verdict(rows: dict[str, ConductivityRow], verdict: Verdict) -> list[str]:
    return [formula for formula, row in rows.items() if row.verdict is verdict]


def _notes(transports: Sequence[TransportDoc]) -> list[str]:
    """Which conductivities were read off a line."""
    read_off = [
        formula
        for formula, row in _rows(transports).items()
        if row.source is not ConductivitySource.SIMULATED and row.verdict is not Verdict.UPPER_LIMIT
    ]
    if not read_off:
        return []
    return [f"no converged run at that temperature, read off the Arrhenius line: {', '.join(read_off)}"]
