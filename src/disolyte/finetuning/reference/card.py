"""The cards of the reference models."""

from __future__ import annotations

from importlib import metadata
from typing import Any, Final

from disolyte.dynamics import Reason
from disolyte.finetuning.reference.labels import CHGNET_VERSION
from disolyte.finetuning.reference.trials import FRAMEWORK_MSD_ANG2, PROTOCOL, Trials
from disolyte.models.schema import PackedModel, QuantityErrors
from disolyte.models.sources import BROAD, SHIPPED

_CARD: Final = """\
# {name}

{purpose} **Not for science**: it is here so that
disolyte can be tried out and tested in minutes, on two cores, without downloads. Documents made with it say so.

- SHA-256 of architecture and weights: `{sha256}`
- Architecture: ScaleShiftMACE, {hidden_irreps}, max_ell {max_ell}, correlation {correlation}, {num_interactions}
  layers, r_max {r_max} Å, {dtype}
- Labels: CHGNet {chgnet} (Deng et al., Nat. Mach. Intell. 5, 1031 (2023)), which stands for PBE(+U)
- Data: {n_train} frames: {data}
- Made by: `python -m disolyte.finetuning.reference --model {short} --out FOLDER` with {versions}
- Recipe: `{recipe}`

Root mean square errors against CHGNet on frames that were not trained on:

{table}
"""

_PURPOSES: Final = {
    SHIPPED: "A small MACE model of Li-In-Y-Br-Cl halides in the C2/m Li3MX6 structure.",
    BROAD: (
        "A small MACE model of the shipped systems: NaSICON (Na-Zr-Si-P-O), lithium oxysulphides (Li-P-Ge-S-O),\n"
        "Li3PS4, Li4GeO4, Li3MX6 halides (Li-In-Y-Br-Cl), and argyrodites (Li-P-S-Cl-Br). It covers much with little:\n"
        "for halides alone `disolyte-small` is the better one."
    ),
}
_DATA: Final = {
    SHIPPED: (
        "orderings of In/Y, Br/Cl and Li over the octahedral holes, rattled, strained by up to 3 %, at\n"
        "  -8 to +10 % volume, some with a squeezed pair; and frames of Langevin dynamics at 600-1300 K with the\n"
        "  model's own first version"
    ),
    BROAD: (
        "orderings of all systems at random compositions of their grids, from random to those of lowest\n"
        "  Coulomb energy, rattled, strained by up to 3 %, at -8 to +10 % volume, some with a squeezed pair; and\n"
        "  frames of Langevin dynamics at 600-1300 K with the model's own earlier versions"
    ),
}

_TRIALS: Final = """
Molecular dynamics at {temperature_k:g} K for {time_ps:g} ps, {time_step_fs:g} fs a step; a run ends where the watchdog
finds the atoms too close, too hot, or the framework displaced by more than {msd:g} Å² (mean square):

{hot}

{unstable}

Static energies of distinct orderings of low Coulomb energy in one cell, beside CHGNet's (Kendall's rank correlation;
spread is the standard deviation of CHGNet's energies, error that of the difference):

{rankings}

The forces of twelve Li3YBr6 cells of 20 atoms take {cost:.1f} times as long as with `{small}` (one core).
"""


def write_card(
    packed: PackedModel,
    errors: dict[str, QuantityErrors],
    *,
    name: str,
    recipe: dict[str, Any],
    n_train: int,
    trials: Trials | None,
) -> str:
    """Card in Markdown: purpose, data, errors per quantity and per element, trials, hash.

    Parameters
    ----------
    packed
        The model.
    errors
        Errors by name of the test set.
    name
        Name of the model.
    recipe
        Settings that it was made with.
    n_train
        Number of training frames.
    trials
        Outcome of the trials; None leaves them out.
    """
    shown = ("hidden_irreps", "max_ell", "correlation", "num_interactions", "r_max", "dtype")
    card = _CARD.format(
        name=name,
        short=name.rsplit("-", 1)[-1],
        purpose=_PURPOSES[name],
        data=_DATA[name],
        sha256=packed.sha256,
        chgnet=CHGNET_VERSION,
        n_train=n_train,
        versions=", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "mace-torch", "chgnet", "ase")),
        recipe=recipe,
        table=_errors_table(errors),
        **{key: packed.architecture[key] for key in shown},
    )
    return card if trials is None else card + _trials_text(trials)


def _errors_table(errors: dict[str, QuantityErrors]) -> str:
    elements = sorted({symbol for found in errors.values() for symbol in found.force_rmse_by_element_ev_per_ang})
    header = ["frames of", "n", "energy, meV/atom", "stress, meV/Å³", "forces, meV/Å", *(f"on {s}" for s in elements)]
    rows = []
    for name, found in errors.items():
        stress, by_element = found.stress_rmse_ev_per_ang3, found.force_rmse_by_element_ev_per_ang
        rows.append(
            [
                name,
                str(found.n_frames),
                f"{1e3 * found.energy_rmse_ev_per_atom:.1f}",
                "-" if stress is None else f"{1e3 * stress:.2f}",
                f"{1e3 * found.force_rmse_ev_per_ang:.0f}",
                *(f"{1e3 * by_element[symbol]:.0f}" if symbol in by_element else "-" for symbol in elements),
            ]
        )
    return _table(header, rows)


def _trials_text(trials: Trials) -> str:
    hot = _table(
        ["system", "composition", "atoms", "time, ps", "verdict", "framework's MSD, Å²", "mobile ions' MSD, Å²"],
        [
            [run.system, run.formula, str(run.n_atoms), f"{run.time_ps:.1f}", run.verdict,
             f"{run.framework_msd_ang2:.2f}", f"{run.mobile_msd_ang2:.2f}"]
            for run in trials.hot_runs
        ],
    )  # fmt: skip
    rankings = _table(
        ["system", "composition", "orderings", "Kendall tau", "spread, meV/atom", "error, meV/atom"],
        [
            [found.system, found.formula, str(found.n_orderings), f"{found.kendall_tau:.2f}",
             f"{1e3 * found.spread_ev_per_atom:.1f}", f"{1e3 * found.rmse_ev_per_atom:.1f}"]
            for found in trials.rankings
        ],
    )  # fmt: skip
    return _TRIALS.format(
        temperature_k=PROTOCOL.temperature_k,
        time_ps=1e-3 * PROTOCOL.n_steps * PROTOCOL.time_step_fs,
        time_step_fs=PROTOCOL.time_step_fs,
        msd=FRAMEWORK_MSD_ANG2,
        hot=hot,
        unstable=_unstable(trials),
        rankings=rankings,
        cost=trials.cost_ratio,
        small=SHIPPED,
    )


def _unstable(trials: Trials) -> str:
    """Say plainly which runs broke off."""
    broken = [f"{run.formula} ({run.system})" for run in trials.hot_runs if run.verdict != Reason.COMPLETED]
    if not broken:
        return "All runs reached their end."
    return f"Not stable to the end: {', '.join(broken)}. Expect the watchdog to end hot or long runs of these."


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *rows])
