"""What is on the sublattices of a parent structure, as a function of the composition."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, FiniteFloat
from pymatgen.core import Structure

from disolyte.errors import CompositionError
from disolyte.systems.expressions import evaluate
from disolyte.systems.formulas import element_symbol, format_formula
from disolyte.systems.grid import CompositionGrid


class OccupiedSublattices(CompositionGrid):
    """A parent structure, and what is on its sublattices at each composition.

    The sites of the parent carry the name of their sublattice; for each disordered sublattice the occupancy of its
    species is an expression in the composition axes. The sites of one sublattice are pooled: only its total composition
    is fixed, so that lithium spreads freely over two Wyckoff positions if both bear the same name.
    """

    key: str = Field(description="Short name, e.g. 'liybc'.")
    parents: list[Structure] = Field(
        min_length=1,
        description=(
            "Parent structure at each end member, in their order and site by site alike, or one for all compositions. "
            "The site property 'sublattice' names each site's sublattice; one species per site."
        ),
    )
    occupancies: dict[str, dict[str, str]] = Field(
        description="Per disordered sublattice, the occupancy of each species as an expression in the axes. "
        "What they leave to 1 is vacant."
    )
    oxidation_states: dict[str, FiniteFloat] = Field(description="Oxidation state of each element.")
    ranking_charges: dict[str, str] = Field(
        default_factory=dict,
        description="Charges by which orderings are ranked where oxidation states will not do, as expressions "
        "in the axes, e.g. to tell oxygen from sulphur. Every composition stays neutral.",
    )
    formula_units_per_cell: int = Field(ge=1, description="Formula units in the parent's cell.")

    @property
    def labels(self) -> list[str]:
        """Sublattice of each site of the parent structures."""
        return list(self.parents[0].site_properties["sublattice"])

    @property
    def elements(self) -> list[str]:
        """All elements, in the order in which formulas name them."""
        return list(dict.fromkeys(element for _, species in self.sublattices() for element in species))

    def sublattices(self) -> list[tuple[str, dict[str, str]]]:
        """Occupancy expressions of every sublattice, ordered ones too, in the order of the parent's sites."""
        first = dict(zip(reversed(self.labels), reversed(self.parents[0]), strict=True))
        return [
            (label, self.occupancies.get(label) or {element_symbol(first[label].specie): "1"})
            for label in dict.fromkeys(self.labels)
        ]

    def amounts(self, coordinates: Mapping[str, float]) -> dict[str, float]:
        """Atoms of each element in one formula unit.

        Raises
        ------
        CompositionError
            If an occupancy leaves [0, 1].
        """
        amounts: dict[str, float] = dict.fromkeys(self.elements, 0.0)
        for label, species in self.species_at(coordinates).items():
            n_sites = self.labels.count(label) / self.formula_units_per_cell
            for element, occupancy in species.items():
                amounts[element] += n_sites * occupancy
        return amounts

    def formula(self, coordinates: Mapping[str, float]) -> str:
        """Formula of one formula unit, elements in the order of the sublattices.

        Raises
        ------
        CompositionError
            If an occupancy leaves [0, 1], or the composition is empty.
        """
        formula = format_formula(self.amounts(coordinates))
        if not formula:
            raise CompositionError(
                f"the composition of {self.key!r} at {dict(coordinates)} is empty: all occupancies are 0"
            ).at("occupancies")
        return formula

    def species_at(self, coordinates: Mapping[str, float]) -> dict[str, dict[str, float]]:
        """Occupancy of each element on each sublattice; elements of occupancy 0 are left out.

        Raises
        ------
        CompositionError
            If an occupancy or their sum leaves [0, 1]; it names the sublattice and the value.
        """
        resolved: dict[str, dict[str, float]] = {}
        for label, species in self.sublattices():
            values = {
                element: self._evaluate(label, element, expression, coordinates)
                for element, expression in species.items()
            }
            for name, value in [*values.items(), ("all species", sum(values.values()))]:
                if not -1e-9 <= value <= 1 + 1e-9:
                    raise CompositionError(
                        f"sublattice {label!r} of {self.key!r} has occupancy {value:g} of {name} at "
                        f"{dict(coordinates)}; it must lie within 0 and 1: change the expression or the grid"
                    ).at("occupancies", label, name)
            resolved[label] = {element: min(value, 1.0) for element, value in values.items() if value > 1e-9}
        return resolved

    def charges_at(self, coordinates: Mapping[str, float]) -> dict[str, float]:
        """Charges by which orderings are ranked: ``ranking_charges``, and the oxidation states of all other elements.

        Raises
        ------
        CompositionError
            If an expression cannot be evaluated.
        """
        charges = {element: float(state) for element, state in self.oxidation_states.items()}
        for element, expression in self.ranking_charges.items():
            try:
                charges[element] = evaluate(expression, coordinates)
            except CompositionError as error:
                error.at("ranking_charges", element)
                raise
        return charges

    @staticmethod
    def _evaluate(label: str, element: str, expression: str, coordinates: Mapping[str, float]) -> float:
        try:
            return evaluate(expression, coordinates)
        except CompositionError as error:
            error.at("occupancies", label, element)
            raise
