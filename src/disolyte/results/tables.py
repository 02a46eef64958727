"""pandas tables of a campaign: by composition, temperature and model. Every row names its document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from disolyte.enumeration.schema import EnumerationDoc
from disolyte.errors import ResultsError
from disolyte.models.schema import ModelDoc
from disolyte.results.quarantine import quarantined_pieces
from disolyte.results.query import Results
from disolyte.results.summary import summarise

if TYPE_CHECKING:
    import pandas as pd


def composition_table(results: Results) -> pd.DataFrame:
    """One row per composition: stability, conductivity, activation energy, verdict, and the documents behind them."""
    keys = system_keys(results)
    rows = []
    for row in summarise(results):
        fields = row.model_dump(mode="json", exclude={"coordinates", "model", "conductivity_ci95_s_per_cm"})
        low, high = row.conductivity_ci95_s_per_cm or (None, None)
        model = {"model": row.model.name, "model_sha256": row.model.sha256} if row.model else {}
        bounds = {"conductivity_low_s_per_cm": low, "conductivity_high_s_per_cm": high}
        rows.append({"system": keys.get(row.formula), **row.coordinates, **fields, **bounds, **model})
    return _frame(rows)


def temperature_table(results: Results) -> pd.DataFrame:
    """One row per composition and temperature: diffusivity, conductivity with interval, verdict, model, document."""
    keys = system_keys(results)
    rows: list[dict[str, Any]] = []
    for transport in results.transport():
        for run in transport.runs:
            low, high = run.conductivity_ci95_s_per_cm
            rows.append(
                {
                    "system": keys.get(transport.formula),
                    "formula": transport.formula,
                    "phase": transport.phase,
                    "temperature_k": run.temperature_k,
                    "diffusivity_cm2_per_s": run.diffusivity_cm2_per_s,
                    "conductivity_s_per_cm": run.conductivity_s_per_cm,
                    "conductivity_low_s_per_cm": low,
                    "conductivity_high_s_per_cm": high,
                    "verdict": str(run.verdict),
                    "is_in_fit": run.is_in_fit,
                    "model": run.model.name,
                    "model_sha256": run.model.sha256,
                    "seed": transport.schedule.seed,
                    "transport_uuid": transport.uuid,
                }
            )
    return _frame(rows)


def model_table(results: Results) -> pd.DataFrame:
    """One row per model and head: errors on frames never trained on, the foundation's for comparison, dataset."""
    rows = []
    for model in results.documents(ModelDoc):
        for kind, errors in (("fine-tuned", model.errors), ("foundation", model.foundation_errors)):
            rows += [
                {
                    "model": model.name,
                    "model_sha256": model.sha256,
                    "weights": kind,
                    "head": head.head,
                    "split": head.split,
                    "n_frames": head.overall.n_frames,
                    "energy_rmse_ev_per_atom": head.overall.energy_rmse_ev_per_atom,
                    "force_rmse_ev_per_ang": head.overall.force_rmse_ev_per_ang,
                    "stress_rmse_ev_per_ang3": head.overall.stress_rmse_ev_per_ang3,
                    "foundation": model.foundation.name if model.foundation else None,
                    "dataset_sha256": model.dataset_sha256,
                    "label_method": model.label_method,
                    "model_uuid": model.uuid,
                }
                for head in errors
            ]
    return _frame(rows)


def selection_table(results: Results) -> pd.DataFrame:
    """One row per structure selected for sampling: family, composition, energy above the hull, probability."""
    selection = results.selection()
    return _frame(
        [
            {
                "family": entry.family,
                "formula": entry.point.formula,
                "n_atoms": len(entry.structure),
                "e_hull_ev_per_fu": entry.e_hull_ev_per_fu,
                "e_hull_ev_per_atom": entry.e_hull_ev_per_atom,
                "probability": entry.probability,
                "is_ground_state": entry.is_ground_state,
                "selection_uuid": selection.uuid,
            }
            for entry in selection.entries
        ]
    )


def quarantine_table(results: Results) -> pd.DataFrame:
    """One row per run, frame or temperature that was set aside, and why."""
    return _frame([piece.model_dump(mode="json") for piece in quarantined_pieces(results)])


TABLES: Mapping[str, Callable[[Results], Any]] = {
    "compositions": composition_table,
    "temperatures": temperature_table,
    "models": model_table,
    "selection": selection_table,
    "quarantine": quarantine_table,
}
"""The tables by name."""


def make_table(
    results: Results, name: str, *, formula: str | None = None, temperature_k: float | None = None
) -> pd.DataFrame:
    """A table by its name, of one composition or temperature if asked.

    Parameters
    ----------
    results
        Documents of the campaign.
    name
        One of :data:`TABLES`.
    formula
        Composition to keep.
    temperature_k
        Temperature to keep.

    Raises
    ------
    ResultsError
        If there is no such table, or it does not tell compositions or temperatures apart.
    """
    if name not in TABLES:
        raise ResultsError(f"there is no table {name!r}; there are: {', '.join(TABLES)}")
    table = TABLES[name](results)
    for column, value in (("formula", formula), ("temperature_k", temperature_k)):
        if value is None or table.empty:
            continue
        if column not in table:
            raise ResultsError(f"the table {name!r} has no column {column!r} to choose by")
        is_wanted = table[column] == value if isinstance(value, str) else (table[column] - value).abs() < 0.5
        table = table[is_wanted].reset_index(drop=True)
    return table


def system_keys(results: Results) -> dict[str, str]:
    """Key of the system of each composition."""
    found = results.raw(EnumerationDoc.__name__, ["system_key", "point.formula"])
    outputs = [output for _, output in found if output.get("point") and output.get("system_key")]
    return {output["point"]["formula"]: output["system_key"] for output in outputs}


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows)
