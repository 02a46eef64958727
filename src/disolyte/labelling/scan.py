"""The settings of the published SCAN labels, as numbers.

Deng et al., J. Mater. Chem. A (2025), d5ta05321h, Methods: VASP 6.3.2, SCAN, 520 eV, 10⁻⁵ eV per cell, a Γ-centred mesh
of about 0.2 Å⁻¹, no symmetry, and the PBE_54 potentials listed there by date.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Final

from pymatgen.core import Lattice

from disolyte.errors import InputError

KPOINT_SPACING_PER_ANG: Final = 0.2
"""Largest distance between neighbouring k-points, Å⁻¹, the factor 2π included (VASP's KSPACING)."""


class Functional(StrEnum):
    """Functionals of the input set, by the names that task documents give them."""

    SCAN = "SCAN"
    R2SCAN = "r2SCAN"
    PBE = "PBE"

    @property
    def incar(self) -> dict[str, Any]:
        """INCAR tags that choose it; None takes a tag out."""
        if self is Functional.PBE:
            return {"METAGGA": None, "GGA": "PE", "LMIXTAU": None}
        return {"METAGGA": self.value.upper(), "GGA": None}


SCAN_INCAR: Final[dict[str, Any]] = {
    # the published protocol
    "METAGGA": "SCAN",
    "ENCUT": 520,
    "EDIFF": 1e-5,
    "ISYM": 0,
    "LASPH": True,
    "NSW": 0,
    # not stated there: what the VASP manual recommends for a meta-GGA single point of an insulator
    "ALGO": "All",
    "ISMEAR": 0,
    "SIGMA": 0.05,
    "PREC": "Accurate",
    "LREAL": False,
    "LMIXTAU": True,
    "NELM": 200,
    "LORBIT": 11,
    "LWAVE": False,
    "LCHARG": False,
}
"""INCAR tags of a label. ``ISPIN`` is added by element."""

PAW_PBE_54: Final[dict[str, str]] = {
    "Na": "Na_pv", "Zr": "Zr_sv", "Si": "Si", "P": "P", "Li": "Li_sv", "Ge": "Ge_d", "S": "S", "Y": "Y_sv",
    "In": "In_d", "Cl": "Cl", "Br": "Br", "O": "O",
}  # fmt: skip
"""Published potentials, by pymatgen's names in the PBE_54 set."""

PAW_TITELS: Final[dict[str, str]] = {
    "Na": "PAW_PBE Na_pv 19Sep2006", "Zr": "PAW_PBE Zr_sv 04Jan2005", "Si": "PAW_PBE Si 05Jan2001",
    "P": "PAW_PBE P 06Sep2000", "Li": "PAW_PBE Li_sv 10Sep2004", "Ge": "PAW_PBE Ge_d 03Jul2007",
    "S": "PAW_PBE S 06Sep2000", "Y": "PAW_PBE Y_sv 25May2007", "In": "PAW_PBE In_d 06Sep2000",
    "Cl": "PAW_PBE Cl 06Sep2000", "Br": "PAW_PBE Br 06Sep2000", "O": "PAW_PBE O 08Apr2002",
}  # fmt: skip
"""TITEL lines of the published potentials, by element."""

OPEN_SHELL_MOMENTS: Final[dict[str, float]] = {
    **dict.fromkeys(("V", "Cr", "Mn", "Fe", "Co", "Ni"), 5.0), "Cu": 1.0, "Mo": 2.0, "Ru": 2.0, "Rh": 1.0, "W": 2.0,
    "Re": 2.0, "Os": 2.0, "Ir": 1.0, "Ce": 1.0, "Pr": 3.0, "Nd": 4.0, "Pm": 4.0, "Sm": 5.0, "Eu": 7.0, "Gd": 7.0,
    "Tb": 6.0, "Dy": 5.0, "Ho": 4.0, "Er": 3.0, "Tm": 2.0, "Yb": 1.0, "U": 2.0, "Np": 3.0, "Pu": 4.0,
}  # fmt: skip
"""Elements whose common ions have an open d or f shell, with the moment to start from, μ_B."""


def gamma_mesh(lattice: Lattice, spacing_per_ang: float = KPOINT_SPACING_PER_ANG) -> tuple[int, int, int]:
    r"""Divisions of the coarsest Γ-centred mesh that is at least as fine as ``spacing_per_ang`` on every axis.

    The convention is that of VASP's KSPACING: :math:`N_i = \max(1, \lceil 2\pi |\mathbf{b}_i| / k \rceil)`, where
    :math:`\mathbf{a}_i \cdot \mathbf{b}_j = \delta_{ij}`, so that neighbouring points are at most *k* apart.

    Parameters
    ----------
    lattice
        Lattice of the cell.
    spacing_per_ang
        Largest spacing *k*, Å⁻¹, the factor 2π included.

    Returns
    -------
    tuple of int
        Divisions along the three reciprocal vectors.

    Raises
    ------
    InputError
        If the spacing is not positive.

    Examples
    --------
    >>> gamma_mesh(Lattice.cubic(10.0))
    (4, 4, 4)
    """
    if not spacing_per_ang > 0:
        raise InputError(f"k-point spacing {spacing_per_ang} Å⁻¹ is not positive; the published one is 0.2 Å⁻¹")
    # the reciprocal lattice of pymatgen holds the factor 2π; an exact multiple must not be rounded up by noise
    lengths = lattice.reciprocal_lattice.abc
    first, second, third = (max(1, math.ceil(length / spacing_per_ang - 1e-9)) for length in lengths)
    return first, second, third


def needs_spin(elements: Iterable[str]) -> bool:
    """Whether any of the elements commonly has an open shell, so that the label must be spin-polarised."""
    return not OPEN_SHELL_MOMENTS.keys().isdisjoint(elements)
