"""What a VASP calculation used, held against what its input set promises."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, Field

from disolyte.records import Record

if TYPE_CHECKING:
    from emmet.core.tasks import TaskDoc


class LabelSettings(Record):
    """What a VASP calculation must have used to be accepted as a label; or what it did use."""

    model_config = ConfigDict(frozen=True)

    functional: str = Field(description="``run_type`` of the task document, such as 'SCAN'.")
    encut_ev: float = Field(description="Plane-wave cutoff, eV.")
    ediff_ev: float = Field(description="Loosest accepted convergence of the electronic steps, eV per cell.")
    aspherical: bool = Field(default=False, description="Whether LASPH must be on, as every meta-GGA needs it.")
    kpoint_spacing_per_ang: float | None = Field(
        default=None, description="Largest distance between k-points, Å⁻¹, 2π included; None if any mesh will do."
    )
    potentials: dict[str, str] = Field(
        default_factory=dict, description="TITEL of the potential of each element; elements not named may have any."
    )

    @property
    def label_method(self) -> str:
        """Label method of calculations with these settings."""
        return f"VASP {self.functional}, ENCUT {self.encut_ev:g} eV"

    def differences(self, wanted: LabelSettings) -> list[str]:
        """Where these settings, of a calculation, fall short of the ``wanted`` ones; none if it may be a label."""
        found = []
        if self.functional != wanted.functional:
            found.append(f"functional {self.functional} instead of {wanted.functional}")
        if not math.isclose(self.encut_ev, wanted.encut_ev, rel_tol=0, abs_tol=1e-6):
            found.append(f"ENCUT {self.encut_ev:g} instead of {wanted.encut_ev:g} eV")
        if not self.ediff_ev <= wanted.ediff_ev * (1 + 1e-6):
            found.append(f"EDIFF {self.ediff_ev:g} instead of {wanted.ediff_ev:g} eV")
        if wanted.aspherical and not self.aspherical:
            found.append("LASPH off instead of on")
        found += self._mesh_difference(wanted)
        for element, titel in self.potentials.items():
            if wanted.potentials.get(element, titel) != titel:
                found.append(f"potential '{titel}' instead of '{wanted.potentials[element]}'")
        return found

    def _mesh_difference(self, wanted: LabelSettings) -> list[str]:
        limit, spacing = wanted.kpoint_spacing_per_ang, self.kpoint_spacing_per_ang
        if limit is None or (spacing is not None and spacing <= limit * (1 + 1e-3)):
            return []
        shown = "an unknown distance" if spacing is None else f"{spacing:.3f}"
        return [f"k-points {shown} apart instead of at most {limit:g} Å⁻¹"]


def task_settings(task: TaskDoc) -> LabelSettings:
    """Settings that a VASP calculation used; NaN and None where the document does not say."""
    given = task.input
    incar = dict(getattr(given, "incar", None) or {})
    titels = [str(spec.titel) for spec in getattr(given, "potcar_spec", None) or [] if spec.titel]
    return LabelSettings(
        functional=str(getattr(task.run_type, "value", task.run_type)),
        encut_ev=float(incar.get("ENCUT", "nan")),
        ediff_ev=float(incar.get("EDIFF", "nan")),
        aspherical=bool(incar.get("LASPH", False)),
        kpoint_spacing_per_ang=_mesh_spacing(getattr(given, "kpoints", None), task.structure),
        potentials={titel.split()[1].split("_")[0]: titel for titel in titels if len(titel.split()) > 1},
    )


def _mesh_spacing(kpoints: Any, structure: Any) -> float | None:
    """Largest distance between neighbours of a regular mesh, Å⁻¹; None if there is no such mesh."""
    rows = getattr(kpoints, "kpts", None)
    if structure is None or not rows or len(rows) != 1 or len(rows[0]) != 3:
        return None
    lengths = structure.lattice.reciprocal_lattice.abc
    return max(length / n for length, n in zip(lengths, rows[0], strict=True))
