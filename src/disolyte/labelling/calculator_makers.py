"""Makers of labels and molecular dynamics with codes that are ASE calculators."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ase.calculators.calculator import Calculator
from jobflow import Flow, Maker, job
from pymatgen.core import Structure

from disolyte.blobs import PAYLOAD_KEY
from disolyte.dynamics import MDProtocol
from disolyte.labelling.aimd import aimd_from_task, run_aimd
from disolyte.labelling.frames import frames_from_structures
from disolyte.labelling.gpaw import GpawForMD, GpawSettings, label_with_gpaw
from disolyte.labelling.labels import build_label_doc
from disolyte.labelling.schema import AimdDoc, LabelDoc
from disolyte.labelling.surrogate import SURROGATE_CAVEAT, SURROGATE_METHOD, load_r2scan
from disolyte.workers.records import describe_job, take_over
from disolyte.workers.roles import Role

if TYPE_CHECKING:
    from emmet.core.tasks import TaskDoc


class AimdCode(StrEnum):
    """Codes that drive :class:`AimdMaker`; VASP runs by itself, see :class:`VaspAimdMaker`."""

    GPAW = "gpaw"
    SURROGATE = "surrogate"


def _aimd_protocol() -> MDProtocol:
    return MDProtocol(temperature_k=800, n_steps=2000, time_step_fs=2.0, record_every=5)


@dataclass
class GpawScanStaticMaker(Maker):
    """Label one structure with a SCAN single point of GPAW, for those who have no VASP.

    Parameters
    ----------
    name
        Name of the job.
    settings
        Settings of GPAW: those of the published labels, as far as GPAW has the same.
    """

    role: ClassVar[Role] = Role.DFT

    name: str = "GPAW SCAN static"
    settings: GpawSettings = field(default_factory=GpawSettings)

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc)
    def make(self, structure: Structure, prev_dir: str | Path | None = None) -> LabelDoc:  # noqa: ARG002
        """Run GPAW.

        Parameters
        ----------
        structure
            Structure to label.
        prev_dir
            Taken as all labellers take it, and not used: GPAW starts from atomic orbitals.

        Returns
        -------
        LabelDoc
            One label, or one rejection if the electronic steps do not converge.

        Raises
        ------
        MissingExtraError
            If GPAW is not installed.
        """
        frames = frames_from_structures([structure])
        label = label_with_gpaw(frames.to_atoms()[0], self.settings)
        method = self.settings.label_method
        return build_label_doc(frames, [label], label_method=method, is_surrogate=False, record=describe_job())


@dataclass
class AimdMaker(Maker):
    """A short molecular-dynamics run with the code of the labels: a yardstick for MD with the model.

    Its density shows whether the model's ions go where the code's ions go, its cost what the model saves.

    Parameters
    ----------
    name
        Name of the job.
    code
        GPAW, or the surrogate where the surrogate made the labels.
    settings
        Settings of GPAW.
    protocol
        Temperature, length, time step, thermostat.
    """

    role: ClassVar[Role] = Role.DFT

    name: str = "AIMD"
    code: AimdCode = AimdCode.GPAW
    settings: GpawSettings = field(default_factory=GpawSettings)
    protocol: MDProtocol = field(default_factory=_aimd_protocol)

    @job(data=[PAYLOAD_KEY], output_schema=AimdDoc)
    def make(self, structure: Structure, prev_dir: str | Path | None = None) -> AimdDoc:
        """Run molecular dynamics.

        Parameters
        ----------
        structure
            First structure.
        prev_dir
            Folder of a killed run with the same input, to go on from.

        Returns
        -------
        AimdDoc
            Trajectory and cost.

        Raises
        ------
        MissingExtraError
            If GPAW, or CHGNet for the surrogate, is not installed.
        """
        is_surrogate = self.code == AimdCode.SURROGATE
        return run_aimd(
            frames_from_structures([structure]).to_atoms()[0],
            self.protocol,
            self._calculator(),
            take_over(prev_dir, "aimd"),
            n_cores=_n_cores(),
            label_method=SURROGATE_METHOD if is_surrogate else self.settings.label_method,
            is_surrogate=is_surrogate,
            record=describe_job(seed=self.protocol.seed, caveats=[SURROGATE_CAVEAT] if is_surrogate else []),
        )

    def _calculator(self) -> Calculator:
        if self.code != AimdCode.SURROGATE:
            return GpawForMD(self.settings)
        model = load_r2scan()
        from chgnet.model.dynamics import CHGNetCalculator

        return CHGNetCalculator(model, use_device="cpu", on_isolated_atoms="warn")


@dataclass
class VaspAimdMaker(Maker):
    """A short AIMD run with VASP and the settings of the labels.

    Parameters
    ----------
    name
        Name of the flow.
    protocol
        Temperature, length and time step. VASP holds the temperature with a Nosé–Hoover thermostat of its
        own period (40 steps), and writes every step.
    run_vasp_kwargs
        Arguments of atomate2's ``run_vasp``, with its handlers for molecular dynamics by default.
    """

    name: str = "VASP AIMD"
    protocol: MDProtocol = field(default_factory=_aimd_protocol)
    run_vasp_kwargs: dict = field(default_factory=dict)

    def make(self, structure: Structure, prev_dir: str | Path | None = None) -> Flow:
        """Make the run.

        Parameters
        ----------
        structure
            First structure.
        prev_dir
            Folder of a previous VASP calculation.

        Returns
        -------
        Flow
            Its output is an AimdDoc.
        """
        from disolyte.labelling.vasp import ScanMDMaker

        md_maker = ScanMDMaker.from_protocol(self.protocol)
        if self.run_vasp_kwargs:
            md_maker.run_vasp_kwargs = {**md_maker.run_vasp_kwargs, **self.run_vasp_kwargs}
        dynamics = md_maker.make(structure, prev_dir=prev_dir)  # type: ignore[misc]
        collect = CollectAimdMaker(protocol=self.protocol).make(dynamics.output)
        return Flow([dynamics, collect], output=collect.output, name=self.name)


@dataclass
class CollectAimdMaker(Maker):
    """Read trajectory and cost from the task document of a VASP run.

    Parameters
    ----------
    name
        Name of the job.
    protocol
        Protocol that the run was made from.
    """

    role: ClassVar[Role] = Role.CPU

    name: str = "collect AIMD"
    protocol: MDProtocol = field(default_factory=_aimd_protocol)

    @job(data=[PAYLOAD_KEY], output_schema=AimdDoc)
    def make(self, task: TaskDoc) -> AimdDoc:
        """Read the run.

        Parameters
        ----------
        task
            Task document of the run.

        Returns
        -------
        AimdDoc
            Trajectory and cost.
        """
        return aimd_from_task(task, self.protocol, record=describe_job(seed=self.protocol.seed))


def _n_cores() -> int:
    """Cores that numerical libraries of this process use."""
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
