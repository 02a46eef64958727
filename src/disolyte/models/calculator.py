"""ASE calculator over a loaded model."""

from __future__ import annotations

from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from disolyte.models.loaded import LoadedModel


class MaceCalculator(Calculator):
    """Energy, forces and stress of one structure at a time.

    The stress is computed only when it is asked for: an NVT step does not pay for it. An energy already known is not
    lost when the stress follows, since one pass gives all.

    Parameters
    ----------
    model
        The model.
    """

    def __init__(self, model: LoadedModel) -> None:
        super().__init__()
        self.implemented_properties = ["energy", "free_energy", "forces", "stress"]
        self.model = model

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Fill ``results``; see :class:`ase.calculators.calculator.Calculator`."""
        super().calculate(atoms, properties, system_changes)
        structure: Any = self.atoms
        if "numbers" in system_changes:
            self.model.check_elements([structure])
        want_stress = "stress" in (properties or ())
        output = self.model.evaluate([structure], stress=want_stress)
        energy_ev = float(output["energy"][0].detach())
        results: dict[str, Any] = {
            "energy": energy_ev,
            "free_energy": energy_ev,
            "forces": output["forces"].detach().cpu().numpy().astype(float),
        }
        if want_stress:
            results["stress"] = full_3x3_to_voigt_6_stress(output["stress"][0].detach().cpu().numpy().astype(float))
        self.results = results
