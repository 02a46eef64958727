"""Cheap stand-ins for the heavy jobs of a campaign; importable by worker processes."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase.calculators.lj import LennardJones
from jobflow import Maker, job
from pymatgen.core import Lattice, Structure

from disolyte.blobs import PAYLOAD_KEY
from disolyte.dynamics import MDProtocol
from disolyte.labelling.fetching import FETCHES, fetch_frames
from disolyte.labelling.frames import FrameWindow, frames_from_structures
from disolyte.labelling.labels import Label, build_label_doc
from disolyte.labelling.schema import LabelDoc
from disolyte.models.schema import ModelIdentity
from disolyte.sampling.schema import FrameBatch, SampleDoc
from disolyte.workers.records import describe_job
from disolyte.workers.roles import Role

FCC = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]]
ROCK_SALT = [*FCC, *([x + 0.5, y, z] for x, y, z in FCC)]


@dataclass
class CompositionMaker(Maker):
    """Structures of one composition, rattled: stands for enumeration, ranking and MD."""

    name: str = "composition"
    n_structures: int = 8
    n_frames: int = 31
    seed: int = 0
    role: ClassVar[Role] = Role.GPU

    @job(data=[PAYLOAD_KEY], output_schema=SampleDoc)
    def make(self) -> SampleDoc:
        rng = np.random.default_rng(self.seed)
        structures, families = [], []
        for number in range(self.n_structures):
            base = Structure(Lattice.cubic(5.0 + 0.02 * number), ["Li"] * 4 + ["Cl"] * 4, ROCK_SALT)
            for _ in range(self.n_frames):
                frame = base.copy()
                frame.perturb(0.1, min_distance=0.01, seed=int(rng.integers(2**31)))
                structures.append(frame)
                families.append(f"c{self.seed:02d}-{number:03d}")
        frames = frames_from_structures(structures)
        return SampleDoc(
            **describe_job(seed=self.seed),
            frames=frames.model_copy(update={"family": families, "md_step": list(range(len(structures)))}),
            runs=[],
            protocol=MDProtocol(temperature_k=800, n_steps=400),
            model=ModelIdentity(name="rattle", sha256="0" * 64),
        )


@dataclass
class LennardJonesStaticMaker(Maker):
    """One structure per job, as DFT has it."""

    name: str = "Lennard-Jones static"
    role: ClassVar[Role] = Role.DFT

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc)
    def make(self, structure: Structure) -> LabelDoc:
        return label_frames(frames_from_structures([structure]), [])


@dataclass
class LennardJonesBatchMaker(Maker):
    """Many frames per job, as a potential has it."""

    name: str = "Lennard-Jones batch"
    role: ClassVar[Role] = Role.GPU
    labels_batches: ClassVar[bool] = True

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc, config=FETCHES)
    def make(self, frames: FrameWindow) -> LabelDoc:
        return label_frames(*fetch_frames(frames))


def label_frames(frames: FrameBatch, samples: list[SampleDoc]) -> LabelDoc:
    """Labels of all frames by a Lennard-Jones potential."""
    labels = []
    for atoms in frames.to_atoms():
        atoms.calc = LennardJones(sigma=2.2, epsilon=0.05, rc=6.0)
        labels.append(Label(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False)))
    return build_label_doc(
        frames, labels, label_method="Lennard-Jones", is_surrogate=True, record=describe_job(samples)
    )
