"""Which of several supercells can hold a composition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pymatgen.core import Structure

from disolyte.enumeration.composition import Rounding
from disolyte.enumeration.lattice import SupercellLike
from disolyte.enumeration.space import OrderingSpace
from disolyte.errors import CompositionError


def find_holding_spaces(
    disordered: Structure,
    supercells: Sequence[SupercellLike],
    *,
    symprec: float = 0.01,
    rounding: Rounding | str = Rounding.REFUSE,
    pool: Iterable[str] = (),
    oxidation_states: Mapping[str, float] | None = None,
) -> dict[int, OrderingSpace]:
    """Spaces of the supercells that can hold a composition; of an ordered one, too.

    Parameters
    ----------
    disordered
        Structure of the composition.
    supercells
        Supercells in units of the structure's cell.
    symprec, rounding, pool, oxidation_states
        As in :meth:`OrderingSpace.from_structure`.

    Returns
    -------
    dict
        The spaces by the index of their supercell.

    Raises
    ------
    CompositionError
        If no supercell can hold the composition; it names supercells that would do.
    StructureError
        If the structure's symmetry is inconsistent at this ``symprec``.
    """
    spaces: dict[int, OrderingSpace] = {}
    refusal = CompositionError("no supercell is given")
    elements = list(pool)
    for index, supercell in enumerate(supercells):
        try:
            spaces[index] = OrderingSpace.from_structure(
                disordered,
                supercell,
                symprec=symprec,
                rounding=rounding,
                pool=elements,
                oxidation_states=oxidation_states,
                allow_ordered=True,
            )
        except CompositionError as error:
            refusal = error
    if not spaces:
        raise refusal
    return spaces
