"""Job that runs the same MD with several models."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from jobflow import Maker, job
from pymatgen.core import Structure

from disolyte.blobs import PAYLOAD_KEY
from disolyte.dynamics import Engine, MDProtocol, Thermostat, Watchdog, run_md
from disolyte.errors import InputError
from disolyte.finetuning.stability.contacts import pair_floors, shortest_distances_ang
from disolyte.finetuning.stability.runs import as_systems, judge_run
from disolyte.finetuning.stability.schema import ModelStability, StabilityDoc
from disolyte.labelling.schema import DatasetDoc
from disolyte.models.loading import load_model
from disolyte.models.schema import ModelDoc, ModelIdentity
from disolyte.thermodynamics.schema import SelectedStructure
from disolyte.workers.records import describe_job, take_over
from disolyte.workers.roles import Role

TRAJECTORIES = "md"
"""Folder of the trajectories inside the job's folder."""


def _short_hot_run() -> MDProtocol:
    return MDProtocol(temperature_k=800.0, n_steps=20_000, thermostat=Thermostat.BUSSI, record_every=20)


@dataclass
class StabilityMaker(Maker):
    """Run the same short MD, from the same structures and velocities, with several models, and compare.

    A run fails if the watchdog gives it up (energy, temperature, forces or distances out of bounds), or if a pair of
    elements comes closer than its floor. With labelled frames that is 85 % of the shortest distance in them, and at
    most 80 % of the sum of the covalent radii; without, the watchdog's share of that sum.

    Parameters
    ----------
    name
        Name of the job.
    protocol
        Temperature, length and thermostat. With the thermostat ``NVE`` the drift of the total energy is the model's.
    watchdog
        Limits beyond which a run is given up.
    labelled_fraction
        Share of the shortest labelled distance of a pair that is its floor.
    engine
        What integrates.
    device
        torch device.
    dtype
        Precision, "float32" or "float64"; the latter, so that what is seen is the model's.
    """

    name: str = "stability in MD"
    protocol: MDProtocol = field(default_factory=_short_hot_run)
    watchdog: Watchdog = field(default_factory=Watchdog)
    labelled_fraction: float = 0.85
    engine: Engine = Engine.AUTO
    device: str = "cpu"
    dtype: str = "float64"
    role: ClassVar[Role] = Role.GPU

    def __post_init__(self) -> None:
        """Refuse a share out of range, before any job exists."""
        if not 0.0 < self.labelled_fraction <= 1.0:
            raise InputError(f"labelled_fraction={self.labelled_fraction} must be above 0 and at most 1")

    @job(data=[PAYLOAD_KEY], output_schema=StabilityDoc)
    def make(
        self,
        models: list[ModelDoc],
        structures: list[Structure] | list[SelectedStructure],
        dataset: DatasetDoc | None = None,
        prev_dir: str | Path | None = None,
    ) -> StabilityDoc:
        """Run all structures with each model.

        Parameters
        ----------
        models
            Trained models, such as a fine-tuned one and one trained from scratch on the same frames.
        structures
            Ordered structures.
        dataset
            Labelled frames whose shortest distances make the floors.
        prev_dir
            Folder of a killed job with the same input, whose trajectories are gone on with.

        Raises
        ------
        InputError
            If there are no models or no structures.
        StructureError
            If a structure is disordered.
        ModelCoverageError
            If a model was not made for an element.
        """
        if not models:
            raise InputError("there are no models to compare: give at least one")
        systems = as_systems(structures)
        floors = pair_floors(
            shortest_distances_ang(systems),
            [] if dataset is None else dataset.to_atoms("train"),
            labelled_fraction=self.labelled_fraction,
            contact_fraction=self.watchdog.contact_fraction,
        )
        loaded = [load_model(model, device=self.device, dtype=self.dtype) for model in models]
        for model in loaded:
            model.check_elements(systems)
        protocols = [
            self.protocol.model_copy(update={"seed": self.protocol.seed + index}) for index in range(len(systems))
        ]
        folder = take_over(prev_dir, TRAJECTORIES)
        found = []
        for number, (document, model) in enumerate(zip(models, loaded, strict=True)):
            place = folder / f"model-{number:02d}"
            runs = run_md(systems, protocols, model, place, engine=self.engine, watchdog=self.watchdog)
            found.append(
                ModelStability(
                    model=ModelIdentity(name=document.name, sha256=document.sha256),
                    is_fine_tuned=document.foundation is not None,
                    runs=[judge_run(system, run, floors) for system, run in zip(systems, runs, strict=True)],
                )
            )
        return StabilityDoc(
            **describe_job([*models, *([] if dataset is None else [dataset])], seed=self.protocol.seed),
            models=found,
            protocol=self.protocol,
            watchdog=self.watchdog,
            floors=floors,
        )
