"""SCAN single points with VASP: the input set and the Maker.

The module imports atomate2's VASP part, which takes seconds; nothing in disolyte imports it before it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from atomate2.vasp.jobs.base import BaseVaspMaker
from atomate2.vasp.sets.base import VaspInputGenerator
from pymatgen.io.vasp import Kpoints
from pymatgen.io.vasp.sets import MPScanRelaxSet

from disolyte.errors import InputError
from disolyte.labelling import scan
from disolyte.labelling.tasks import LabelSettings
from disolyte.workers.roles import Role


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
    ``user_incar_settings`` (such as ``{"METAGGA": "R2SCAN"}``) override them. The KPOINTS file holds an explicit
    Γ-centred mesh: the coarsest with at most ``kpoint_spacing_per_ang`` between points on each axis, see
    :func:`~disolyte.labelling.scan.gamma_mesh`. ``ISPIN`` is 2 where :func:`~disolyte.labelling.scan.needs_spin` says
    so, and 1 otherwise. An element outside the published set gets the PBE_54 potential of the Materials Project's SCAN
    set.

    Parameters
    ----------
    kpoint_spacing_per_ang
        Largest distance between k-points, Å⁻¹, the factor 2π included.
    config_dict
        Base configuration, as for any pymatgen input set.
    auto_ismear
        Whether the smearing follows a previous calculation's gap. Off: all labels are made alike.
    inherit_incar
        Whether tags of a previous calculation are kept. Off: all labels are made alike.
    **kwargs
        All other fields are those of atomate2's ``VaspInputGenerator``.
    """

    kpoint_spacing_per_ang: float = scan.KPOINT_SPACING_PER_ANG
    config_dict: dict = field(default_factory=_scan_config)
    auto_ismear: bool = False
    inherit_incar: bool | list[str] = False

    @property
    def incar_updates(self) -> dict[str, Any]:
        """Tags of the published protocol, for the structure at hand."""
        elements = {} if self.structure is None else self.structure.composition.get_el_amt_dict()
        return {**scan.SCAN_INCAR, "ISPIN": 2 if scan.needs_spin(elements) else 1}

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
    def label_settings(self) -> LabelSettings:
        """What a calculation with these inputs must have used to be accepted as a label."""
        tags = {**scan.SCAN_INCAR, **self.user_incar_settings}
        functional = str(tags["METAGGA"] or "PBE").upper()
        return LabelSettings(
            functional={"R2SCAN": "r2SCAN"}.get(functional, functional),  # as emmet's run_type spells it
            encut_ev=tags["ENCUT"],
            ediff_ev=tags["EDIFF"],
        )


@dataclass
class ScanStaticMaker(BaseVaspMaker):
    """Label one structure with a SCAN single point of VASP.

    An atomate2 VASP Maker like any other: powerups, ``prev_dir``, custodian and ``TaskDoc`` work as usual. atomate2's
    default custodian handlers suit a meta-GGA: they know ``METAGGA`` and answer lost convergence with ``ALGO = All``,
    which is where this set starts, then with slower mixing. What they changed is checked when the label is collected.

    Parameters
    ----------
    name
        Name of the job.
    input_set_generator
        Input set; its ``user_incar_settings`` override the published settings.
    write_input_set_kwargs
        Arguments of atomate2's ``write_vasp_input_set``.
    copy_vasp_kwargs
        Arguments of atomate2's ``copy_vasp_outputs``; used with ``prev_dir``.
    run_vasp_kwargs
        Arguments of atomate2's ``run_vasp``: command, custodian handlers, wall time.
    task_document_kwargs
        Arguments of ``TaskDoc.from_directory``.
    stop_children_kwargs
        Arguments of atomate2's ``should_stop_children``.
    write_additional_data
        More files to write, as ``{filename: data}``.
    """

    role: ClassVar[Role] = Role.DFT

    name: str = "SCAN static"
    input_set_generator: VaspInputGenerator = field(default_factory=ScanStaticSetGenerator)
