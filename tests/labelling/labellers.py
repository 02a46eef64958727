"""Labellers with known answers; a module of its own, so that worker processes can import it."""

from dataclasses import dataclass, field

import numpy as np
from jobflow import Maker, job
from monty.json import MSONable
from pymatgen.core import Lattice, Structure

from disolyte.blobs import PAYLOAD_KEY
from disolyte.dynamics import MDProtocol
from disolyte.labelling.frames import frames_from_structures
from disolyte.labelling.label_settings import LabelSettings
from disolyte.labelling.labels import Label, build_label_doc
from disolyte.labelling.schema import LabelDoc
from disolyte.models.schema import ModelIdentity
from disolyte.sampling.schema import FrameBatch, SampleDoc
from disolyte.workers.records import describe_job


def rattled_salts(n_families=3, n_frames=4):
    """Frames of small salt crystals, as many MD runs would leave them."""
    structures, families, steps = [], [], []
    rng = np.random.default_rng(5)
    for family in range(n_families):
        base = Structure.from_spacegroup(
            "Fm-3m", Lattice.cubic(5.1 + 0.05 * family), ["Li", ["Cl", "Br"][family % 2]], [[0, 0, 0], [0.5, 0.5, 0.5]]
        )
        for step in range(n_frames):
            frame = base.copy()
            for index, shift in enumerate(rng.normal(0, 0.08, (8, 3))):
                frame.translate_sites(index, shift, frac_coords=False)
            structures.append(frame)
            families.append(f"{base.reduced_formula}-{family:03d}")
            steps.append(100 * step)
    frames = frames_from_structures(structures)
    return structures, frames.model_copy(update={"family": families, "md_step": steps})


def make_sample(frames, **fields):
    return SampleDoc(
        frames=frames,
        runs=[],
        protocol=MDProtocol(temperature_k=800, n_steps=400),
        model=ModelIdentity(name="none", sha256="0" * 64),
        **fields,
    )


@dataclass
class GiveSampleMaker(Maker):
    """Hand a sample out of a job, so that others get it by reference."""

    name: str = "give sample"

    @job(data=[PAYLOAD_KEY], output_schema=SampleDoc)
    def make(self, frames: FrameBatch):
        return make_sample(frames, **describe_job(caveats=["sampled with the small model"]))


@dataclass
class HarmonicStaticMaker(Maker):
    """One structure per job: energy of springs to the origin. Fails, or returns another structure, on demand."""

    name: str = "harmonic static"
    fails_below_energy_ev: float = 0.0
    shifts_below_energy_ev: float = 0.0

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc)
    def make(self, structure: Structure):
        frames = frames_from_structures([structure])
        energy = harmonic_energy_ev(structure)
        if energy < self.fails_below_energy_ev:
            raise RuntimeError("the labeller crashed")
        if energy < self.shifts_below_energy_ev:
            structure.translate_sites([0], [0.1, 0, 0])
            frames = frames_from_structures([structure])
        label = Label(energy, -structure.cart_coords, np.zeros((3, 3)))
        return build_label_doc(
            frames, [label], label_method="harmonic", is_surrogate=False, record=describe_job(caveats=["harmonic"])
        )


@dataclass
class OddStaticMaker(Maker):
    """One structure per job: springs; of the frames below an energy it leaves something else."""

    name: str = "odd static"
    odd_below_energy_ev: float = 0.0
    kind: str = "dict"

    @job(data=[PAYLOAD_KEY])
    def make(self, structure: Structure):
        label = HarmonicStaticMaker().make.original(HarmonicStaticMaker(), structure)
        if harmonic_energy_ev(structure) >= self.odd_below_energy_ev:
            return label
        changes = {
            "not finite": {"energies_ev": [float("nan")]},
            "method": {"label_method": "another"},
            "surrogate": {"is_surrogate": True},
        }
        others = {"dict": {"energy": -1.0}, "number": -1.0, "text": "done", "list": [label]}
        return others[self.kind] if self.kind in others else label.model_copy(update=changes[self.kind])


@dataclass
class VaspLikeStaticMaker(Maker):
    """One structure per job: a real VASP task document of the springs, atoms sorted as VASP's input sets sort them."""

    name: str = "VASP-like static"
    pbe_below_energy_ev: float = 0.0
    input_set_generator: object = None
    stop_children_kwargs: dict = field(default_factory=dict)

    @job
    def make(self, structure: Structure):
        from emmet.core.tasks import OutputDoc, TaskDoc
        from emmet.core.vasp.calculation import CalculationInput

        written = structure.get_sorted_structure(key=lambda site: -site.specie.Z)
        energy = harmonic_energy_ev(structure)
        functional = "PBE" if energy < self.pbe_below_energy_ev else "SCAN"
        return TaskDoc(
            structure=written,
            state="successful",
            run_type=functional,
            dir_name="host:/vasp",
            calcs_reversed=[],
            input=CalculationInput(incar={"ENCUT": 520, "EDIFF": 1e-5}),
            output=OutputDoc(
                structure=written,
                energy=energy,
                forces=(-written.cart_coords).tolist(),
                stress=[[100.0, 0, 0], [0, 0, 0], [0, 0, 0]],
            ),
        )


@dataclass
class Promise(MSONable):
    """An input set's promise of its settings."""

    encut_ev: float = 520

    @property
    def label_settings(self):
        return LabelSettings(functional="SCAN", encut_ev=self.encut_ev, ediff_ev=1e-5)


def harmonic_energy_ev(structure):
    return 0.5 * float((structure.cart_coords**2).sum())
