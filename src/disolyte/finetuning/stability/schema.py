"""Documents of stability tests."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from disolyte.blobs import Blob
from disolyte.dynamics import MDProtocol, Verdict, Watchdog
from disolyte.models.schema import ModelIdentity
from disolyte.provenance import StageDoc
from disolyte.records import Record


class PairFloor(Record):
    """Distance that two elements do not fall below in a sound run."""

    model_config = ConfigDict(frozen=True)

    elements: tuple[str, str] = Field(description="The two elements, in alphabetical order.")
    floor_ang: float = Field(description="The distance.")
    labelled_ang: float | None = Field(
        description="Shortest distance of the two in labelled frames, which the floor was made from; None if covalent "
        "radii made it."
    )


class PairApproach(Record):
    """How close two elements came in one run."""

    model_config = ConfigDict(frozen=True)

    floor: PairFloor = Field(description="What they should not fall below.")
    start_ang: float = Field(description="Shortest distance at the start.")
    shortest_ang: float = Field(description="Shortest distance in any recorded frame.")

    @property
    def too_close(self) -> bool:
        """Whether they came closer than the floor."""
        return self.shortest_ang < self.floor.floor_ang


class StabilityRun(Record):
    """One MD run of one structure with one model."""

    family: str = Field(description="Name of the structure.")
    composition: str = Field(description="Its reduced formula.")
    n_atoms: int = Field(description="Its number of atoms.")
    verdict: Verdict = Field(description="How the run ended.")
    simulated_ps: float = Field(description="Time until it ended.")
    energy_drift_ev_per_atom_per_ps: float | None = Field(
        description="Slope of the total energy, a straight line through all frames; None for fewer than three."
    )
    largest_energy_change_ev_per_atom: float = Field(
        description="Largest distance of the potential energy from that of the first frame."
    )
    mean_temperature_k: float = Field(description="Mean temperature of the frames.")
    pairs: list[PairApproach] = Field(description="How close each pair of elements came.")
    energies_ev_per_atom: Blob = Field(
        description="float64 (2, n_frames): time in ps, total energy less that of the first frame."
    )

    @property
    def failed(self) -> bool:
        """Whether the run was given up, or atoms came closer than they should."""
        return not self.verdict.completed or any(pair.too_close for pair in self.pairs)

    @property
    def time_to_failure_ps(self) -> float | None:
        """When the watchdog gave the run up; None if it came to its end."""
        return None if self.verdict.completed else self.simulated_ps

    @property
    def reasons(self) -> list[str]:
        """Why it failed; empty if it did not."""
        found = [] if self.verdict.completed else [f"{self.verdict.reason}: {self.verdict.message}"]
        for pair in self.pairs:
            if pair.too_close:
                names = "–".join(pair.floor.elements)
                found.append(f"{names} at {pair.shortest_ang:.2f} Å, below {pair.floor.floor_ang:.2f} Å")
        return found


class ModelStability(Record):
    """All runs with one model."""

    model: ModelIdentity = Field(description="The model.")
    is_fine_tuned: bool = Field(description="Whether it was fine-tuned; else it was trained from scratch.")
    runs: list[StabilityRun] = Field(description="One for each structure, in the same order for all models.")

    @property
    def n_failed(self) -> int:
        """Number of runs that failed."""
        return sum(run.failed for run in self.runs)

    @property
    def stable(self) -> bool:
        """Whether no run failed."""
        return self.n_failed == 0


class StabilityDoc(StageDoc):
    """The same MD runs, from the same structures with the same velocities, with several models."""

    models: list[ModelStability] = Field(description="One for each model, in the order given.")
    protocol: MDProtocol = Field(description="The runs' protocol; the k-th structure has its seed plus k.")
    watchdog: Watchdog = Field(description="Limits at which a run was given up.")
    floors: list[PairFloor] = Field(description="Distances that pairs of elements should not fall below.")
