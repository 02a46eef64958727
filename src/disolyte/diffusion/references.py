"""Lines to compare an Arrhenius plot with: experiments, ab initio MD, other models.

A line needs an activation energy. Where a conductivity at one temperature is known too, it is a line in the plot;
otherwise it only has a slope, and is drawn through the middle of the line that it is compared with.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import numpy as np
from pydantic import ConfigDict, Field

from disolyte.errors import TransportError
from disolyte.records import Record
from disolyte.units import BOLTZMANN_EV_PER_K


class ReferenceKind(StrEnum):
    """Where a reference line comes from."""

    EXPERIMENT = "experiment"
    AIMD = "AIMD"
    MODEL = "model"


class ReferenceLine(Record):
    """Arrhenius line of σT from somewhere else."""

    model_config = ConfigDict(frozen=True)

    formula: str = Field(description="Material, as formulas of compositions are written, e.g. 'Li3InCl6'.")
    kind: ReferenceKind = Field(description="Experiment, AIMD or another model.")
    activation_energy_ev: float = Field(gt=0, description="Activation energy of the diffusivity, or of σT.")
    citation: str = Field(description="Where it was published.")
    phase: str = Field(default="", description="Phase, where there are several.")
    conductivity_s_per_cm: float | None = Field(
        default=None, gt=0, description="Conductivity at ``temperature_k``; None if only the slope is known."
    )
    temperature_k: float | None = Field(default=None, gt=0, description="Temperature of that conductivity.")

    @property
    def label(self) -> str:
        """What a legend says."""
        return " ".join(filter(None, [self.phase, self.formula, f"({self.kind.value})"]))

    def conductivity_at(
        self, temperature_k: float, anchor_k: float | None = None, anchor_s_per_cm: float | None = None
    ) -> float:
        """Conductivity on the line, S/cm.

        Parameters
        ----------
        temperature_k
            Temperature.
        anchor_k, anchor_s_per_cm
            Point that a line without a level of its own is drawn through.

        Raises
        ------
        TransportError
            If the line has neither a level nor an anchor.
        """
        at_k = self.temperature_k if self.conductivity_s_per_cm is not None else anchor_k
        level = self.conductivity_s_per_cm if self.conductivity_s_per_cm is not None else anchor_s_per_cm
        if at_k is None or level is None:
            raise TransportError(
                f"the reference line {self.label} has a slope but no conductivity; give conductivity_s_per_cm and "
                "temperature_k, or a point to draw it through"
            )
        exponent = -self.activation_energy_ev / BOLTZMANN_EV_PER_K * (1 / temperature_k - 1 / at_k)
        return float(level * at_k / temperature_k * np.exp(exponent))


_PAPER: Final = "Deng et al., J. Mater. Chem. A (2025), doi:10.1039/d5ta05321h"

PUBLISHED_LINES: Final[tuple[ReferenceLine, ...]] = (
    ReferenceLine(
        formula="Li3InCl6",
        kind=ReferenceKind.AIMD,
        activation_energy_ev=0.20,
        citation=f"Park et al., ACS Appl. Mater. Interfaces 12, 34806 (2020), as quoted by {_PAPER}",
    ),
    ReferenceLine(
        formula="Li3YBr6",
        kind=ReferenceKind.AIMD,
        activation_energy_ev=0.28,
        citation=f"Wang et al., Angew. Chem. Int. Ed. 58, 8039 (2019), as quoted by {_PAPER}",
    ),
    ReferenceLine(
        formula="Li3PS4",
        phase="α",
        kind=ReferenceKind.EXPERIMENT,
        activation_energy_ev=0.20,
        citation=f"Kim et al., J. Phys. Chem. Lett. 9, 5592 (2018), and de Klerk et al., ACS Appl. Energy Mater. 1, "
        f"3230 (2018), as quoted by {_PAPER}",
    ),
    ReferenceLine(
        formula="Li3PS4",
        phase="β",
        kind=ReferenceKind.EXPERIMENT,
        activation_energy_ev=0.41,
        citation=f"Kim et al., J. Phys. Chem. Lett. 9, 5592 (2018), and de Klerk et al., ACS Appl. Energy Mater. 1, "
        f"3230 (2018), as quoted by {_PAPER}",
    ),
    ReferenceLine(
        formula="Li4GeO4",
        phase="Cmcm",
        kind=ReferenceKind.EXPERIMENT,
        activation_energy_ev=0.81,
        citation=f"Yahya et al., RSC Adv. 15, 9295 (2025), as quoted by {_PAPER}",
    ),
    ReferenceLine(
        formula="Li3InCl6",
        kind=ReferenceKind.MODEL,
        activation_energy_ev=0.24,
        conductivity_s_per_cm=0.57,
        temperature_k=800.0,
        citation=_PAPER,
    ),
    ReferenceLine(formula="Li3YBr6", kind=ReferenceKind.MODEL, activation_energy_ev=0.29, citation=_PAPER),
    ReferenceLine(
        formula="Li3In0.5Y0.5Br3Cl3",
        kind=ReferenceKind.MODEL,
        activation_energy_ev=0.28,
        conductivity_s_per_cm=0.62,
        temperature_k=800.0,
        citation=_PAPER,
    ),
    ReferenceLine(formula="Li3.5P0.5Ge0.5S2O2", kind=ReferenceKind.MODEL, activation_energy_ev=0.29, citation=_PAPER),
    ReferenceLine(formula="Li3PS4", phase="α", kind=ReferenceKind.MODEL, activation_energy_ev=0.26, citation=_PAPER),
    ReferenceLine(formula="Li3PS4", phase="β", kind=ReferenceKind.MODEL, activation_energy_ev=0.44, citation=_PAPER),
    ReferenceLine(
        formula="Li4GeO4", phase="Cmcm", kind=ReferenceKind.MODEL, activation_energy_ev=0.77, citation=_PAPER
    ),
)
"""What the paper quotes and reports as numbers; its figures show more, which were not read off."""


def published_lines(formula: str) -> list[ReferenceLine]:
    """Shipped reference lines of a material.

    Examples
    --------
    >>> [line.activation_energy_ev for line in published_lines("Li3InCl6")]
    [0.2, 0.24]
    """
    return [line for line in PUBLISHED_LINES if line.formula == formula]
