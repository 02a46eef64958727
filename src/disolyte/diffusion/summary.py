"""From the MD of one composition to its :class:`~disolyte.diffusion.schema.TransportDoc`."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import ConfigDict, Field

from disolyte import units
from disolyte.diffusion.analysis import analyse_displacements
from disolyte.diffusion.arrhenius import ArrheniusFit
from disolyte.diffusion.composition import CompositionFit, Measurement, fit_composition
from disolyte.diffusion.displacements import MIN_FRAMES
from disolyte.diffusion.gates import TrustGates, Verdict
from disolyte.diffusion.schema import (
    ArrheniusLine,
    ConductivityRow,
    ConductivitySource,
    CurveData,
    DiffusionDoc,
    DiffusionMDDoc,
    RunFrames,
    TransportDoc,
)
from disolyte.diffusion.transport import DiffusionResult
from disolyte.errors import TransportError
from disolyte.records import Record


class TableTemperatures(Record):
    """Temperatures at which conductivities are read off the Arrhenius line."""

    model_config = ConfigDict(frozen=True)

    reference_k: float = Field(default=800.0, gt=0, description="Where compositions are compared.")
    extrapolate_k: tuple[float, ...] = Field(default=(300.0,), description="Further temperatures.")


def summarise_transport(
    md: DiffusionMDDoc, fields: dict[str, Any], trust_gates: TrustGates, table: TableTemperatures, seed: int
) -> TransportDoc:
    """Analyse every temperature, fit the Arrhenius line and read conductivities off it.

    Parameters
    ----------
    md
        MD of one composition.
    fields
        ``uuid``, ``caveats`` and ``provenance`` of the document.
    trust_gates
        Limits of the gates.
    table
        Temperatures to report.
    seed
        Seed of the bootstrap.

    Raises
    ------
    TransportError
        If no run got far enough to be analysed.
    """
    measured: list[tuple[DiffusionResult, str | None, list[RunFrames]]] = []
    lost: list[str] = []
    for temperature_k in sorted({run.record.temperature_k for run in md.runs}):
        runs = [run for run in md.runs if run.record.temperature_k == temperature_k]
        if max(run.record.n_frames for run in runs) < MIN_FRAMES:
            lost.append(f"{temperature_k:g} K is left out: {_why_stopped(runs)} before there was anything to analyse")
            continue
        measured.append((*_analyse_temperature(md, runs, trust_gates, seed), runs))
    if not measured:
        raise TransportError(
            f"no run of {md.formula} got far enough to be analysed: {'; '.join(lost)}. Use a better model, a lower "
            "temperature or a shorter time step"
        )
    line = fit_composition([Measurement(result, exclusion) for result, exclusion, _ in measured])
    documents = [
        DiffusionDoc(
            caveats=fields["caveats"],
            provenance=fields["provenance"],
            **result.coefficients(),
            point=md.point,
            formula=md.formula,
            phase=md.phase,
            supercell_size=md.supercell_size,
            md_runs=[run.record for run in runs],
            exclusion=exclusion,
            is_in_fit=index in line.used,
            curves=CurveData.from_curves(result.curves),
            model=md.model,
        )
        for index, (result, exclusion, runs) in enumerate(measured)
    ]
    return TransportDoc(
        **fields,
        point=md.point,
        formula=md.formula,
        phase=md.phase,
        mobile=md.mobile,
        verdict=line.verdict,
        reasons=[*lost, *line.reasons],
        runs=documents,
        arrhenius=None if line.fit is None or line.basis is None else ArrheniusLine.from_fit(line.fit, line.basis),
        conductivities=_conductivities(documents, line, table),
        reference_conductivity=_reference(documents, line, table.reference_k),
        model=md.model,
        schedule=md.schedule,
    )


def _analyse_temperature(
    md: DiffusionMDDoc, runs: list[RunFrames], trust_gates: TrustGates, seed: int
) -> tuple[DiffusionResult, str | None]:
    """Pool the completed runs; if there are none, look at the longest and exclude it."""
    completed = [run for run in runs if run.record.verdict.completed and run.record.n_frames >= MIN_FRAMES]
    used = completed or [max(runs, key=lambda run: run.record.n_frames)]
    result = analyse_displacements(
        [run.positions_ang.to_array() for run in used],
        [site.specie.symbol for site in md.supercell],
        md.supercell.lattice.matrix,
        mobile=md.mobile.element,
        charge=md.mobile.charge,
        frame_interval_fs=used[0].record.frame_interval_fs,
        temperature_k=used[0].record.temperature_k,
        seed=seed,
        trust_gates=trust_gates,
    )
    if not completed:
        exclusion = _why_stopped(runs)
        reasons = [exclusion, *result.reasons]
        return result.model_copy(update={"verdict": Verdict.UNRELIABLE, "reasons": reasons}), exclusion
    if len(completed) < len(runs):
        note = f"{len(runs) - len(completed)} of {len(runs)} runs were left out: {_why_stopped(runs)}"
        result = result.model_copy(update={"reasons": [*result.reasons, note]})
    return result, None if result.framework_is_bounded else result.reasons[0]


def _why_stopped(runs: list[RunFrames]) -> str:
    stopped = next(run.record.verdict for run in runs if not run.record.verdict.completed)
    message = f" ({stopped.message})" if stopped.message else ""
    return f"MD stopped at step {stopped.step}: {stopped.reason}{message}"


def _conductivities(
    documents: list[DiffusionDoc], line: CompositionFit, table: TableTemperatures
) -> list[ConductivityRow]:
    rows = [_simulated(one, line) for one in documents]
    if line.fit is not None:
        simulated = {row.temperature_k for row in rows}
        wanted = sorted({*table.extrapolate_k, table.reference_k} - simulated)
        rows += [_on_line(documents[0], line.fit, line, t) for t in wanted]
    return sorted(rows, key=lambda row: row.temperature_k)


def _reference(documents: list[DiffusionDoc], line: CompositionFit, temperature_k: float) -> ConductivityRow | None:
    """Simulated if it converged, else on the line if there is one, else simulated as it is.

    A line that runs above the upper limit of a simulation at the same temperature gives way to the limit.
    """
    on_line = None if line.fit is None else _on_line(documents[0], line.fit, line, temperature_k)
    simulated = next((one for one in documents if abs(one.temperature_k - temperature_k) < 0.5), None)
    if simulated is None:
        return on_line
    row = _simulated(simulated, line)
    is_limit = simulated.verdict is Verdict.UPPER_LIMIT
    if on_line is None or simulated.verdict is Verdict.CONVERGED:
        return row
    return row if is_limit and on_line.conductivity_s_per_cm > row.conductivity_s_per_cm else on_line


def _simulated(one: DiffusionDoc, line: CompositionFit) -> ConductivityRow:
    return ConductivityRow(
        temperature_k=one.temperature_k,
        conductivity_s_per_cm=one.conductivity_s_per_cm,
        conductivity_ci95_s_per_cm=one.conductivity_ci95_s_per_cm,
        source=ConductivitySource.SIMULATED,
        verdict=one.verdict,
        reach=0.0 if line.fit is None else line.fit.reach_beyond(one.temperature_k),
    )


def _on_line(one: DiffusionDoc, fit: ArrheniusFit, line: CompositionFit, temperature_k: float) -> ConductivityRow:
    diffusivity, ci95 = fit.extrapolate(temperature_k)
    values = [
        units.nernst_einstein_s_per_cm(
            value, n_ions=one.n_mobile, charge=one.charge, volume_ang3=one.volume_ang3, temperature_k=temperature_k
        )
        for value in (diffusivity, *ci95)
    ]
    reach = fit.reach_beyond(temperature_k)
    source = ConductivitySource.EXTRAPOLATED if reach > 0 else ConductivitySource.INTERPOLATED
    return ConductivityRow(
        temperature_k=temperature_k,
        conductivity_s_per_cm=float(np.nan_to_num(values[0])),
        conductivity_ci95_s_per_cm=(float(values[1]), float(np.nan_to_num(values[2], posinf=np.finfo(float).max))),
        source=source,
        verdict=line.verdict,
        reach=reach,
    )
