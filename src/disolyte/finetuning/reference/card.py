"""The card of the small reference model."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from disolyte.finetuning.reference.labels import CHGNET_VERSION
from disolyte.models.schema import PackedModel, QuantityErrors
from disolyte.models.sources import SHIPPED

_CARD = """\
# {name}

A small MACE model of Li-In-Y-Br-Cl halides in the C2/m Li3MX6 structure. **Not for science**: it is here so that
disolyte can be tried out and tested in minutes, on two cores, without downloads. Documents made with it say so.

- SHA-256 of architecture and weights: `{sha256}`
- Architecture: ScaleShiftMACE, {hidden_irreps}, max_ell {max_ell}, correlation {correlation}, {num_interactions}
  layers, r_max {r_max} Å, {dtype}
- Labels: CHGNet {chgnet} (Deng et al., Nat. Mach. Intell. 5, 1031 (2023)), which stands for PBE(+U)
- Data: {n_train} frames: orderings of In/Y, Br/Cl and Li over the octahedral holes, rattled, strained by up to 3 %, at
  -8 to +10 % volume, some with a squeezed pair; and frames of Langevin dynamics at 600-1300 K with the model's own
  first version
- Made by: `python -m disolyte.finetuning.reference` with {versions}
- Recipe: `{recipe}`

Root mean square errors against CHGNet on frames that were not trained on:

{table}
"""


def write_card(packed: PackedModel, errors: dict[str, QuantityErrors], *, recipe: dict[str, Any], n_train: int) -> str:
    """Card in Markdown: purpose, data, errors per quantity and per element, hash.

    Parameters
    ----------
    packed
        The model.
    errors
        Errors by name of the test set.
    recipe
        Settings that it was made with.
    n_train
        Number of training frames.
    """
    shown = ("hidden_irreps", "max_ell", "correlation", "num_interactions", "r_max", "dtype")
    return _CARD.format(
        name=SHIPPED,
        sha256=packed.sha256,
        chgnet=CHGNET_VERSION,
        n_train=n_train,
        versions=", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "mace-torch", "chgnet", "ase")),
        recipe=recipe,
        table=_table(errors),
        **{key: packed.architecture[key] for key in shown},
    )


def _table(errors: dict[str, QuantityErrors]) -> str:
    elements = sorted({symbol for found in errors.values() for symbol in found.force_rmse_by_element_ev_per_ang})
    header = ["frames of", "n", "energy, meV/atom", "stress, meV/Å³", "forces, meV/Å", *(f"on {s}" for s in elements)]
    rows = [header, ["---"] * len(header)]
    for name, found in errors.items():
        stress = found.stress_rmse_ev_per_ang3
        rows.append(
            [
                name,
                str(found.n_frames),
                f"{1e3 * found.energy_rmse_ev_per_atom:.1f}",
                "-" if stress is None else f"{1e3 * stress:.2f}",
                f"{1e3 * found.force_rmse_ev_per_ang:.0f}",
                *(
                    f"{1e3 * found.force_rmse_by_element_ev_per_ang.get(symbol, float('nan')):.0f}"
                    for symbol in elements
                ),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
