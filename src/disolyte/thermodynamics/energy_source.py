"""Loading what gives energies. The one place of this stage that knows atomate2's force fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from disolyte.errors import InputError
from disolyte.models import ModelSource, load_model
from disolyte.models.schema import ModelDoc
from disolyte.thermodynamics.energies import CalculatorModel, EnergyModel

if TYPE_CHECKING:
    from atomate2.forcefields.jobs import ForceFieldStaticMaker

EnergySource: TypeAlias = "ModelDoc | ModelSource | ForceFieldStaticMaker"
"""A trained model, a model by name or path, or one of atomate2's force fields."""


def load_energy_model(source: EnergySource, *, device: str, dtype: str) -> EnergyModel:
    """Load what gives energies: a MACE model, or the calculator of any of atomate2's force fields.

    Parameters
    ----------
    source
        Document of a trained model, name or path of a model, or an atomate2 ``ForceFieldStaticMaker``.
    device, dtype
        Device and precision of a MACE model; a force field has its own, among its ``calculator_kwargs``.

    Raises
    ------
    InputError
        If ``source`` is none of these.
    """
    if isinstance(source, ModelDoc | ModelSource):
        return load_model(source, device=device, dtype=dtype)
    from atomate2.forcefields.jobs import ForceFieldStaticMaker

    if not isinstance(source, ForceFieldStaticMaker):
        raise InputError(
            f"energies are asked of a {type(source).__name__}; pass a ModelSource, a ModelDoc or atomate2's "
            "ForceFieldStaticMaker, and say what is relaxed with relaxation=RelaxationProtocol(...)"
        )
    name = str(source.force_field_name).removeprefix("MLFF.")
    name = source.ase_calculator_name if name == "Forcefield" else name
    return CalculatorModel(source._get_calculator(), name=name, settings=source.calculator_kwargs)
