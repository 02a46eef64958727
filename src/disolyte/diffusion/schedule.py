"""What is simulated: the mobile ion, and how long at which temperature."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, Self

from pydantic import ConfigDict, Field, model_validator

from disolyte.dynamics import MDProtocol, Thermostat
from disolyte.errors import TransportError
from disolyte.records import Record

USUAL_MOBILE_IONS: Final = {"Li": 1.0, "Na": 1.0, "K": 1.0, "Ag": 1.0}
"""Ions that are taken to be mobile if a structure holds just one of them."""


class MobileIon(Record):
    """The ion whose diffusion is studied."""

    model_config = ConfigDict(frozen=True)

    element: str = Field(description="Element, e.g. 'Li'.")
    charge: float = Field(default=1.0, description="Charge, elementary charges.")


def find_mobile_ion(elements: Iterable[str]) -> MobileIon:
    """The one usual mobile ion among ``elements``.

    Raises
    ------
    TransportError
        If there is none, or more than one.

    Examples
    --------
    >>> find_mobile_ion(["Cl", "In", "Li"])
    MobileIon(element='Li', charge=1.0)
    """
    present = sorted(set(elements))
    found = [element for element in present if element in USUAL_MOBILE_IONS]
    if len(found) != 1:
        raise TransportError(
            f"{len(found)} usual mobile ions among {', '.join(present)}; name one: "
            "mobile=MobileIon(element=..., charge=...)"
        )
    return MobileIon(element=found[0], charge=USUAL_MOBILE_IONS[found[0]])


class LengthRule(Record):
    """Length of a run by its temperature. The defaults are the published ones.

    Examples
    --------
    >>> LengthRule().length_ps(800.0), LengthRule().discard_ps(600.0)
    (500.0, 200.0)
    """

    model_config = ConfigDict(frozen=True)

    threshold_k: float = Field(default=800.0, gt=0, description="Temperature from which on a run counts as hot.")
    hot_length_ps: float = Field(default=500.0, gt=0, description="Length at and above the threshold.")
    hot_discard_ps: float = Field(default=100.0, ge=0, description="Part of it thrown away as equilibration.")
    cold_length_ps: float = Field(default=1000.0, gt=0, description="Length below the threshold.")
    cold_discard_ps: float = Field(default=200.0, ge=0, description="Part of it thrown away as equilibration.")

    @model_validator(mode="after")
    def _something_is_left(self) -> Self:
        for length, discard in (
            (self.hot_length_ps, self.hot_discard_ps),
            (self.cold_length_ps, self.cold_discard_ps),
        ):
            if discard >= length:
                raise ValueError(f"discarding {discard} ps of {length} ps leaves nothing; discard less or run longer")
        return self

    @classmethod
    def uniform(cls, length_ps: float, discard_ps: float) -> Self:
        """The same length at every temperature."""
        return cls(
            hot_length_ps=length_ps, hot_discard_ps=discard_ps, cold_length_ps=length_ps, cold_discard_ps=discard_ps
        )

    def length_ps(self, temperature_k: float) -> float:
        """Length of a run, equilibration included."""
        return self.hot_length_ps if temperature_k >= self.threshold_k else self.cold_length_ps

    def discard_ps(self, temperature_k: float) -> float:
        """Part of a run that is thrown away at its beginning."""
        return self.hot_discard_ps if temperature_k >= self.threshold_k else self.cold_discard_ps


class ErrorTarget(Record):
    """When runs may stop early, and how far they are lengthened."""

    model_config = ConfigDict(frozen=True)

    relative_error: float = Field(default=0.1, gt=0, lt=1, description="Standard error of the diffusivity, relative.")
    segment_share: float = Field(
        default=0.5, gt=0, le=1, description="Length of a segment as a share of that by the schedule's rule."
    )
    max_length_factor: float = Field(
        default=3.0, ge=1, description="Longest run, in multiples of the length by the schedule's rule."
    )

    @property
    def max_segments(self) -> int:
        """Most segments of a run."""
        return max(1, round(self.max_length_factor / self.segment_share))


class MDSchedule(Record):
    """How the runs of one composition are made. The defaults are the published ones, with one seed."""

    model_config = ConfigDict(frozen=True)

    lengths: LengthRule = Field(default_factory=LengthRule, description="Length of a run by its temperature.")
    time_step_fs: float = Field(default=1.0, gt=0, description="Time step.")
    thermostat: Thermostat = Field(default=Thermostat.BERENDSEN, description="How the temperature is held.")
    thermostat_time_fs: float = Field(default=100.0, gt=0, description="Relaxation time of the thermostat.")
    record_interval_fs: float = Field(default=100.0, gt=0, description="Time between recorded frames.")
    n_seeds: int = Field(default=1, ge=1, description="Independent runs at each temperature; their ions are pooled.")
    seed: int = Field(default=0, ge=0, description="Seed from which those of all runs are made.")
    target: ErrorTarget | None = Field(
        default=None, description="Stop early, or run longer, by the error of the diffusivity; None keeps to the rule."
    )

    def protocol(self, temperature_k: float, replica: int, family: str) -> MDProtocol:
        """Protocol of one run of the structure called ``family``."""
        digest = hashlib.sha256(f"{self.seed}:{family}:{temperature_k:g}:{replica}".encode()).digest()
        return MDProtocol(
            temperature_k=temperature_k,
            n_steps=round(self.lengths.length_ps(temperature_k) * 1000 / self.time_step_fs),
            time_step_fs=self.time_step_fs,
            thermostat=self.thermostat,
            thermostat_time_fs=self.thermostat_time_fs,
            record_every=max(1, round(self.record_interval_fs / self.time_step_fs)),
            seed=int.from_bytes(digest[:4]),
        )
