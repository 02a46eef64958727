"""The VASP input set of the SCAN labels.

The module imports atomate2's VASP part, which takes seconds; nothing in disolyte imports it before it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atomate2.vasp.sets.base import VaspInputGenerator
from pymatgen.core import Structure
from pymatgen.io.vasp import Kpoints, Potcar
from pymatgen.io.vasp.inputs import VaspInput
from pymatgen.io.vasp.sets import MPScanRelaxSet

from disolyte.errors import InputError
from disolyte.labelling import scan
from disolyte.labelling.label_settings import LabelSettings
from disolyte.labelling.scan import Functional


def _scan_config() -> dict[str, Any]:
    """Base configuration: the published potentials (else the Materials Project's), and starting moments."""
    return {
        "INCAR": {**scan.SCAN_INCAR, "MAGMOM": dict(scan.OPEN_SHELL_MOMENTS)},
        "KPOINTS": {},
        "POTCAR": {**MPScanRelaxSet.CONFIG["POTCAR"], **scan.PAW_PBE_54},
        "POTCAR_FUNCTIONAL": "PBE_54",
    }


@dataclass
class ScanStaticSetGenerator(VaspInputGenerator):
    """Input set of a SCAN single point with the settings of the published labels.

    All tags of :data:`~disolyte.labelling.scan.SCAN_INCAR` override what a previous calculation left; only
    ``user_incar_settings`` override them. The KPOINTS file holds an explicit Γ-centred mesh: the coarsest with at most
    ``kpoint_spacing_per_ang`` between points on each axis, see :func:`~disolyte.labelling.scan.gamma_mesh`. ``ISPIN``
    is 2 where :func:`~disolyte.labelling.scan.needs_spin` says so, and 1 otherwise. An element outside the published
    set gets the PBE_54 potential of the Materials Project's SCAN set.

    Parameters
    ----------
    functional
        SCAN as published, r2SCAN, or PBE for a run before one of them.
    kpoint_spacing_per_ang
        Largest distance between k-points, Å⁻¹, the factor 2π included.
    checks_potcars
        Whether a POTCAR of an element of the published set must have the published TITEL, date included; energies of
        other potentials have another zero. An element in ``user_potcar_settings`` is not checked.
    config_dict
        Base configuration, as for any pymatgen input set.
    auto_ismear
        Whether the smearing follows a previous calculation's gap. Off: all labels are made alike.
    inherit_incar
        Whether tags of a previous calculation are kept. Off: all labels are made alike.
    **kwargs
        All other fields are those of atomate2's ``VaspInputGenerator``.
    """

    functional: Functional = Functional.SCAN
    kpoint_spacing_per_ang: float = scan.KPOINT_SPACING_PER_ANG
    checks_potcars: bool = True
    config_dict: dict = field(default_factory=_scan_config)
    auto_ismear: bool = False
    inherit_incar: bool | list[str] = False

    def __post_init__(self) -> None:
        """Take the functional by name."""
        super().__post_init__()
        try:
            self.functional = Functional(self.functional)
        except ValueError:
            known = ", ".join(Functional)
            raise InputError(f"functional {self.functional!r} is unknown; there are: {known}") from None

    def get_input_set(
        self,
        structure: Structure | None = None,
        prev_dir: Path | str | None = None,
        potcar_spec: bool = False,  # noqa: FBT001, FBT002  # as pymatgen has it
    ) -> VaspInput:
        """Input set of a structure, its sites sorted by element so that each element has one potential.

        atomate2's generators have ``sort_structure`` and leave the sites as they are.
        """
        if structure is not None and self.sort_structure:
            structure = structure.get_sorted_structure()
        return super().get_input_set(structure, prev_dir=prev_dir, potcar_spec=potcar_spec)

    @property
    def incar_updates(self) -> dict[str, Any]:
        """Tags of the published protocol, for the structure at hand."""
        elements = {} if self.structure is None else self.structure.composition.get_el_amt_dict()
        return {**self._tags, "ISPIN": 2 if scan.needs_spin(elements) else 1}

    @property
    def _tags(self) -> dict[str, Any]:
        return {**scan.SCAN_INCAR, **self.functional.incar}

    @property
    def kpoints_updates(self) -> Kpoints:  # type: ignore[override]  # pymatgen's own property admits a Kpoints too
        """Γ-centred mesh for the structure at hand."""
        if self.structure is None:
            raise InputError("no structure is associated with the input set; give one to get_input_set")
        mesh = scan.gamma_mesh(self.structure.lattice, self.kpoint_spacing_per_ang)
        kpoints = Kpoints.gamma_automatic(mesh)
        kpoints.comment = f"Gamma-centred, spacing at most {self.kpoint_spacing_per_ang} 1/A"
        return kpoints

    @property
    def potcar(self) -> Potcar:
        """Potentials, of the published dates where those are asked for."""
        potcar = super().potcar
        expected = self._expected_titels
        for single in potcar:
            titel = expected.get(single.element)
            if titel is not None and single.TITEL.strip() != titel:
                raise InputError(
                    f"the POTCAR of {single.element} is '{single.TITEL.strip()}', the published labels used '{titel}'; "
                    "point PMG_VASP_PSP_DIR at the set potpaw_PBE.54, or turn checks_potcars off and train on labels "
                    "of one set only"
                )
        return potcar

    @property
    def _expected_titels(self) -> dict[str, str]:
        if not self.checks_potcars or self.user_potcar_functional != "PBE_54":
            return {}
        return {
            element: titel for element, titel in scan.PAW_TITELS.items() if element not in self.user_potcar_settings
        }

    @property
    def label_settings(self) -> LabelSettings:
        """What a calculation with these inputs must have used to be accepted as a label."""
        tags = {**self._tags, **self.user_incar_settings}
        for name in ("ENCUT", "EDIFF"):
            if tags[name] is None:
                raise InputError(
                    f"{name} was taken out of the INCAR; labels need a stated one, {scan.SCAN_INCAR[name]} eV"
                )
        name = str(tags["METAGGA"] or "PBE").upper()
        return LabelSettings(
            functional={"R2SCAN": "r2SCAN"}.get(name, name),  # as emmet's run_type spells it
            encut_ev=tags["ENCUT"],
            ediff_ev=tags["EDIFF"],
            aspherical=bool(tags["LASPH"]),
            kpoint_spacing_per_ang=None if self.user_kpoints_settings else self.kpoint_spacing_per_ang,
            potentials=self._expected_titels,
        )
