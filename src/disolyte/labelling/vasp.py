"""SCAN single points and molecular dynamics with VASP: the Makers.

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

from disolyte.dynamics import MDProtocol, Thermostat
from disolyte.labelling.failures import diagnose
from disolyte.labelling.scan import Functional
from disolyte.labelling.tasks import failed_task_fields
from disolyte.labelling.vasp_inputs import ScanStaticSetGenerator
from disolyte.workers.roles import Role


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
