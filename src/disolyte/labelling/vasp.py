"""SCAN single points and molecular dynamics with VASP: the input sets and the Makers.

The module imports atomate2's VASP part, which takes seconds; nothing in disolyte imports it before it is used.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from atomate2.vasp.jobs.base import BaseVaspMaker, vasp_job
from atomate2.vasp.jobs.md import MDMaker
from atomate2.vasp.sets.base import VaspInputGenerator
from emmet.core.tasks import TaskDoc
from jobflow import Flow, Maker, Response
from pymatgen.core import Structure
from pymatgen.io.vasp import Kpoints, Potcar
from pymatgen.io.vasp.sets import MPScanRelaxSet

from disolyte.dynamics import MDProtocol, Thermostat
from disolyte.errors import InputError
from disolyte.labelling import scan
from disolyte.labelling.failures import diagnose
from disolyte.labelling.label_settings import LabelSettings
from disolyte.labelling.scan import Functional
from disolyte.labelling.tasks import failed_task_fields
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
        name = str(tags["METAGGA"] or "PBE").upper()
        return LabelSettings(
            functional={"R2SCAN": "r2SCAN"}.get(name, name),  # as emmet's run_type spells it
            encut_ev=tags["ENCUT"],
            ediff_ev=tags["EDIFF"],
            aspherical=bool(tags["LASPH"]),
            kpoint_spacing_per_ang=None if self.user_kpoints_settings else self.kpoint_spacing_per_ang,
            potentials=self._expected_titels,
        )


@dataclass
class ScanStaticMaker(BaseVaspMaker):
    """Label one structure with a SCAN single point of VASP.

    An atomate2 VASP Maker like any other: powerups, ``prev_dir``, custodian and ``TaskDoc`` work as usual. atomate2's
    default custodian handlers suit a meta-GGA: they know ``METAGGA`` and answer lost convergence with ``ALGO = All``,
    which is where this set starts, then with slower mixing. What they changed is checked when the label is collected.

    With ``stop_children_kwargs={"handle_unsuccessful": False}``, which
    :class:`~disolyte.labelling.makers.LabelMaker` sets, a run that crashed, hung, or left broken files ends with a task
    document, too: one of state ``error`` that tells why. Otherwise it raises, as atomate2's Makers do.

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

    @vasp_job
    def make(self, structure: Structure, prev_dir: str | Path | None = None) -> Response[TaskDoc]:
        """Run VASP.

        Parameters
        ----------
        structure
            Structure to label.
        prev_dir
            Folder of a previous calculation to start from.

        Returns
        -------
        Response
            The task document.
        """
        try:
            return BaseVaspMaker.make.original(self, structure, prev_dir)  # type: ignore[attr-defined]
        except Exception as error:
            if self.stop_children_kwargs.get("handle_unsuccessful") is not False:
                raise
            failure = diagnose(error, Path.cwd())
        # no dir_name: nothing may start from what this run left
        task = TaskDoc(structure=structure, task_label=self.name, **failed_task_fields(failure))
        return Response(output=task)


def _gga_pre_maker() -> ScanStaticMaker:
    return ScanStaticMaker(
        name="GGA pre-run",
        input_set_generator=ScanStaticSetGenerator(
            functional=Functional.PBE, user_incar_settings={"LWAVE": True, "EDIFF": 1e-4}
        ),
        stop_children_kwargs={"handle_unsuccessful": False},
    )


def _scan_from_orbitals_maker() -> ScanStaticMaker:
    return ScanStaticMaker(name="SCAN static from GGA", copy_vasp_kwargs={"additional_vasp_files": ("WAVECAR",)})


@dataclass
class ScanDoubleStaticMaker(Maker):
    """Label one structure with a SCAN single point that starts from the orbitals of a GGA run.

    The way to a label where SCAN alone does not converge. If the GGA run fails, the SCAN run starts from nothing.

    Parameters
    ----------
    name
        Name of the flow.
    pre_maker
        Maker of the GGA run; it must write WAVECAR.
    static_maker
        Maker of the SCAN run, which copies WAVECAR and makes the label.
    """

    name: str = "SCAN double static"
    pre_maker: BaseVaspMaker = field(default_factory=_gga_pre_maker)
    static_maker: BaseVaspMaker = field(default_factory=_scan_from_orbitals_maker)

    def make(self, structure: Structure, prev_dir: str | Path | None = None) -> Flow:
        """Make both runs.

        Parameters
        ----------
        structure
            Structure to label.
        prev_dir
            Folder of a previous calculation that the GGA run starts from.

        Returns
        -------
        Flow
            Its output is the task document of the SCAN run.
        """
        before = self.pre_maker.make(structure, prev_dir=prev_dir)  # type: ignore[misc]
        static = self.static_maker.make(structure, prev_dir=before.output.dir_name)  # type: ignore[misc]
        return Flow([before, static], output=static.output, name=self.name)


@dataclass
class ScanMDMaker(MDMaker):
    """Molecular dynamics with VASP and the settings of the SCAN labels.

    Parameters
    ----------
    name
        Name of the job.
    input_set_generator
        Input set of the labels, with the tags of molecular dynamics on top; see :meth:`from_protocol`.
    write_input_set_kwargs, copy_vasp_kwargs, run_vasp_kwargs, stop_children_kwargs, write_additional_data
        As for :class:`ScanStaticMaker`; custodian's handlers are atomate2's for molecular dynamics.
    task_document_kwargs
        Arguments of ``TaskDoc.from_directory``; the ionic steps stay in the document.
    """

    role: ClassVar[Role] = Role.DFT

    name: str = "SCAN MD"
    input_set_generator: VaspInputGenerator = field(default_factory=ScanStaticSetGenerator)
    task_document_kwargs: dict = field(default_factory=dict)

    @classmethod
    def from_protocol(cls, protocol: MDProtocol, generator: ScanStaticSetGenerator | None = None) -> ScanMDMaker:
        """Maker for a protocol.

        Parameters
        ----------
        protocol
            Temperature, length, time step; the thermostat is Nosé–Hoover, or none for NVE.
        generator
            Input set of the labels.

        Returns
        -------
        ScanMDMaker
            The Maker.
        """
        generator = generator or ScanStaticSetGenerator()
        tags = {
            "IBRION": 0,
            "NSW": protocol.n_steps,
            "POTIM": protocol.time_step_fs,
            "TEBEG": protocol.temperature_k,
            "TEEND": protocol.temperature_k,
            "MDALGO": 2 if protocol.thermostat is not Thermostat.NVE else 1,
            "ISIF": 2,
            **_mass_tags(protocol),
            **generator.user_incar_settings,
        }
        return cls(input_set_generator=replace(generator, user_incar_settings=tags))


def _mass_tags(protocol: MDProtocol) -> dict[str, Any]:
    """SMASS = 0 lets VASP take a Nosé mass with a period of 40 steps; NVE is Andersen's thermostat switched off."""
    if protocol.thermostat is Thermostat.NVE:
        return {"ANDERSEN_PROB": 0.0}
    return {"SMASS": 0}
