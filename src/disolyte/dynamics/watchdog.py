"""When a run has left the range of physics, and the verdict on how it ended."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from ase.cell import Cell
from ase.data import chemical_symbols, covalent_radii
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, field_validator

from disolyte.records import Record


class Reason(StrEnum):
    """How a run ended."""

    COMPLETED = "completed"
    UNFINISHED = "unfinished"
    NON_FINITE = "non-finite"
    FORCE_SPIKE = "force spike"
    TEMPERATURE_SPIKE = "temperature spike"
    ENERGY_DRIFT = "energy drift"
    TOO_CLOSE = "atoms too close"
    FRAMEWORK_LOST = "framework lost"


class Verdict(Record):
    """How a run ended, at which step, and why."""

    model_config = ConfigDict(frozen=True)

    reason: Reason = Field(description="How the run ended.")
    step: int = Field(description="Last step that was made.")
    message: str = Field(default="", description="The value and the limit that it broke.")

    @property
    def completed(self) -> bool:
        """Whether all steps were made."""
        return self.reason is Reason.COMPLETED


class Watchdog(Record):
    """Limits beyond which a system is taken out of its batch.

    Forces, energy and temperature are looked at after every step, distances and the framework at every recorded
    frame. A frame is recorded only after it has passed, so that a run's last frame is its last good one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature_ratio: float = Field(
        default=4.0,
        gt=1,
        description="Highest temperature over the target. Six standard deviations of the canonical distribution come "
        "on top, which matter in small cells.",
    )
    force_ev_per_ang: float = Field(default=200.0, gt=0, description="Largest force on an atom.")
    energy_drift_ev_per_atom: float = Field(
        default=1.0, gt=0, description="Largest distance of the potential energy from that of the first structure."
    )
    conserved_drift_ev_per_atom: float = Field(
        default=0.05, gt=0, description="Largest change of the total energy in a run without thermostat."
    )
    contact_fraction: float = Field(
        default=0.6,
        ge=0,
        description="Shortest distance of two atoms over the sum of their covalent radii. Short bonds such as V=O keep "
        "to 0.65 at high temperature; an ion that a poor model lets into another one falls below 0.6.",
    )
    framework_msd_ang2: float | None = Field(
        default=None, gt=0, description="Largest mean square displacement of the framework; None does not look."
    )
    mobile_elements: tuple[str, ...] = Field(
        default=("Li", "Na", "K", "Ag"), description="Elements that do not belong to the framework."
    )

    @field_validator("mobile_elements")
    @classmethod
    def _of_known_elements(cls, elements: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(elements) - set(chemical_symbols[1:])):
            raise ValueError(f"mobile_elements has {', '.join(unknown)}, not symbols of elements such as 'Li'")
        return elements

    def temperature_limit_k(self, temperature_k: float, n_atoms: int) -> float:
        """Highest instantaneous temperature allowed for ``n_atoms`` atoms at a target temperature."""
        noise = 6.0 * np.sqrt(2.0 / max(3 * n_atoms - 3, 1))
        return float(temperature_k * (self.temperature_ratio + noise))

    def check_step(
        self,
        step: int,
        *,
        n_atoms: int,
        target_k: float,
        temperature_k: float,
        energy_ev: float,
        start_energy_ev: float,
        max_force_ev_per_ang: float,
        total_drift_ev: float = 0.0,
    ) -> Verdict | None:
        """Verdict on one step from numbers that cost nothing; None if all is well.

        Parameters
        ----------
        step
            Step just made.
        n_atoms
            Number of atoms.
        target_k, temperature_k
            Target and instantaneous temperature.
        energy_ev, start_energy_ev
            Potential energy now and of the first structure.
        max_force_ev_per_ang
            Largest force on an atom.
        total_drift_ev
            Change of the total energy since step 0, where no thermostat changes it.
        """
        if not np.isfinite([temperature_k, energy_ev, max_force_ev_per_ang]).all():
            message = f"temperature {temperature_k} K, energy {energy_ev} eV, force {max_force_ev_per_ang} eV/Å"
            return Verdict(reason=Reason.NON_FINITE, step=step, message=message)
        if max_force_ev_per_ang > self.force_ev_per_ang:
            message = f"force {max_force_ev_per_ang:.0f} eV/Å > {self.force_ev_per_ang:.0f} eV/Å"
            return Verdict(reason=Reason.FORCE_SPIKE, step=step, message=message)
        if temperature_k > (limit_k := self.temperature_limit_k(target_k, n_atoms)):
            message = f"temperature {temperature_k:.0f} K > {limit_k:.0f} K"
            return Verdict(reason=Reason.TEMPERATURE_SPIKE, step=step, message=message)
        if (drift := abs(energy_ev - start_energy_ev) / n_atoms) > self.energy_drift_ev_per_atom:
            message = f"energy drift {drift:.2f} eV/atom > {self.energy_drift_ev_per_atom:.2f} eV/atom"
            return Verdict(reason=Reason.ENERGY_DRIFT, step=step, message=message)
        if (drift := abs(total_drift_ev) / n_atoms) > self.conserved_drift_ev_per_atom:
            message = f"total energy changed by {drift:.3f} eV/atom > {self.conserved_drift_ev_per_atom:.3f} eV/atom"
            return Verdict(reason=Reason.ENERGY_DRIFT, step=step, message=message)
        return None

    def check_frame(
        self,
        step: int,
        positions_ang: NDArray[np.float64],
        *,
        start_positions_ang: NDArray[np.float64],
        numbers: NDArray[np.int64],
        cell_ang: NDArray[np.float64],
        pbc: NDArray[np.bool_],
    ) -> Verdict | None:
        """Verdict on one frame from its geometry; None if all is well.

        Parameters
        ----------
        step
            Step of the frame.
        positions_ang, start_positions_ang
            Unwrapped positions now and of the first structure, shape (n_atoms, 3).
        numbers
            Atomic numbers, shape (n_atoms,).
        cell_ang, pbc
            Cell, rows are its vectors, and its periodic directions.
        """
        contact = closest_contact(positions_ang, numbers, cell_ang, pbc)
        if contact.fraction < self.contact_fraction:
            message = f"{contact} is {contact.fraction:.2f} < {self.contact_fraction:.2f} of the sum of covalent radii"
            return Verdict(reason=Reason.TOO_CLOSE, step=step, message=message)
        if self.framework_msd_ang2 is not None:
            mobile = np.isin(numbers, [chemical_symbols.index(element) for element in self.mobile_elements])
            moved = (positions_ang - start_positions_ang)[~mobile]
            msd_ang2 = float(np.mean(np.sum((moved - moved.mean(axis=0)) ** 2, axis=1))) if len(moved) else 0.0
            if msd_ang2 > self.framework_msd_ang2:
                message = f"framework's MSD {msd_ang2:.2f} Å² > {self.framework_msd_ang2:.2f} Å²"
                return Verdict(reason=Reason.FRAMEWORK_LOST, step=step, message=message)
        return None


class Contact(Record):
    """Two atoms near each other."""

    elements: tuple[str, str] = Field(description="Their elements.")
    distance_ang: float = Field(description="Their distance.")
    fraction: float = Field(description="Distance over the sum of covalent radii.")

    def __str__(self) -> str:
        return f"{self.elements[0]}–{self.elements[1]} at {self.distance_ang:.2f} Å"


def closest_contact(
    positions_ang: NDArray[np.float64],
    numbers: NDArray[np.int64],
    cell_ang: NDArray[np.float64],
    pbc: NDArray[np.bool_],
) -> Contact:
    """Pair with the smallest distance over the sum of covalent radii, periodic images included.

    Exact for pairs nearer than half the smallest width of the cell, which all contacts worth a warning are. An atom
    and its own image are no pair.

    Parameters
    ----------
    positions_ang
        Positions, wrapped or not, shape (n_atoms, 3), n_atoms ≥ 2.
    numbers
        Atomic numbers, shape (n_atoms,).
    cell_ang, pbc
        Cell, rows are its vectors, which may be zero in free directions, and its periodic directions.
    """
    first, second = np.triu_indices(len(numbers), k=1)
    vectors = positions_ang[second] - positions_ang[first]
    if np.any(pbc):
        whole_ang = np.array(Cell(cell_ang).complete())
        fractional = np.linalg.solve(whole_ang.T, vectors.T).T
        vectors = (fractional - np.where(pbc, np.round(fractional), 0.0)) @ whole_ang
    distances = np.linalg.norm(vectors, axis=1)
    radii = covalent_radii[numbers]
    fractions = distances / (radii[first] + radii[second])
    closest = int(np.argmin(fractions))
    return Contact(
        elements=(chemical_symbols[numbers[first[closest]]], chemical_symbols[numbers[second[closest]]]),
        distance_ang=float(distances[closest]),
        fraction=float(fractions[closest]),
    )
