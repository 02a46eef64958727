"""Na(1+x)Zr2Si(x)P(3-x)O12: NaSICON between NaZr2(PO4)3 and Na4Zr2(SiO4)3."""

from __future__ import annotations

from typing import Final

from pymatgen.core import Structure

from disolyte.systems.schema import DisorderedSystem
from disolyte.systems.structures import WyckoffSite, parent_structure, reduce_cell

_SPACE_GROUP: Final = 167
"""R-3c, hexagonal axes."""

_RHOMBOHEDRAL: Final = ((2 / 3, 1 / 3, 1 / 3), (-1 / 3, 1 / 3, 1 / 3), (-1 / 3, -2 / 3, 1 / 3))
"""Vectors of the primitive cell (obverse setting) in units of the hexagonal ones."""

_SODIUM_18E: Final = -0.36033
"""x of Na(2) in Na4Zr2(SiO4)3; the site is empty in NaZr2(PO4)3."""


def nasicon() -> DisorderedSystem:
    """System of the sodium zirconium silicate phosphates, with the thirteen compositions of the published grid."""
    return DisorderedSystem(
        key="nasicon",
        title="Na(1+x)Zr2Si(x)P(3-x)O12",
        parents=[
            _parent(8.8043, 22.7585, 0.14541, 0.29303, (0.19175, 0.16946, 0.08527), (0.18855, -0.01039, 0.19503)),
            _parent(9.1863, 22.181, 0.14719, 0.29544, (0.18534, 0.16651, 0.08652), (0.18214, -0.02102, 0.19199)),
        ],
        occupancies={"Na": {"Na": "(1 + x) / 4"}, "T": {"Si": "x / 3", "P": "1 - x / 3"}},
        grid=[{"x": step / 4} for step in range(13)],
        end_members=[{"x": 0.0}, {"x": 3.0}],
        mobile_ion="Na",
        oxidation_states={"Na": 1, "Zr": 4, "Si": 4, "P": 5, "O": -2},
        supercells=[(1, 1, 1), (1, 1, 2)],
        formula_units_per_cell=2,
        references=[
            "Grid, space group, sodium sites: Deng et al., J. Mater. Chem. A (2025), doi:10.1039/d5ta05321h",
            "NaZr2(PO4)3, cell: Hagman and Kierkegaard, Acta Chem. Scand. 22, 1822 (1968), "
            "doi:10.3891/acta.chem.scand.22-1822",
            "NaZr2(PO4)3, positions: relaxed with CHGNet 0.3.0 (r2SCAN) in the measured cell",
            "Na4Zr2(SiO4)3, cell and positions at 573 K: Tran Qui, Capponi, Joubert and Shannon, J. Solid State Chem. "
            "39, 219 (1981), ICSD 15546; y of O(2) is taken as negative, for with the sign of the database entry "
            "zirconium has oxygen at 1.87 Å instead of 2.04 Å",
        ],
        caveats=["atomic positions of NaZr2(PO4)3 are relaxed with CHGNet (r2SCAN) in the measured cell"],
    )


def _parent(
    a_ang: float,
    c_ang: float,
    zirconium_z: float,
    phosphorus_x: float,
    oxygen_1: tuple[float, float, float],
    oxygen_2: tuple[float, float, float],
) -> Structure:
    hexagonal = parent_structure(
        _SPACE_GROUP,
        (a_ang, a_ang, c_ang, 90.0, 90.0, 120.0),
        [
            WyckoffSite("Na", "Na", (0.0, 0.0, 0.0)),  # Na(1), 6b
            WyckoffSite("Na", "Na", (_SODIUM_18E, 0.0, 0.25)),  # Na(2), 18e
            WyckoffSite("Zr", "Zr", (0.0, 0.0, zirconium_z)),  # 12c
            WyckoffSite("T", "P", (phosphorus_x, 0.0, 0.25)),  # 18e
            WyckoffSite("O", "O", oxygen_1),  # 36f
            WyckoffSite("O", "O", oxygen_2),  # 36f
        ],
    )
    return reduce_cell(hexagonal, _RHOMBOHEDRAL)
