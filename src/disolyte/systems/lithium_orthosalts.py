"""Li3PS4, Li4GeO4 and what lies between: Li(3+x)P(1-x)Ge(x)S(4-4x)O(4x), and the phases beside it."""

from __future__ import annotations

from typing import Final

from pymatgen.core import Structure

from disolyte.systems.schema import DisorderedSystem
from disolyte.systems.structures import WyckoffSite, parent_structure

_Position = tuple[float, float, float]

_STATES: Final = {"Li": 1, "P": 5, "Ge": 4, "S": -2, "O": -2}

# Refined X-ray positions of the beta phase (OBELiX, entry nhq) put sulphur at 1.5 Å from Li on 4c and 1.91 to 2.25 Å
# from phosphorus. So the r2SCAN weights of CHGNet 0.3.0 relax Li3PS4 (Li on 8d and 4c, the lower of the two ordered
# occupations in Pnma, the other being 8d and 4b) in the measured cell. Site 4c lies where they find the lowest energy
# on the mirror plane.
_LI3PS4_PNMA: Final = (
    (12.8190, 8.2195, 6.1236),
    ((0.83306, 0.02007, 0.14753), (0.07148, 0.75, 0.33004)),
    (0.91828, 0.75, 0.82600),
    ((0.85053, 0.53537, 0.73941), (0.92929, 0.25, 0.27566), (0.90516, 0.75, 0.16061)),
)
# The same weights relax Li4GeO4 in this structure, all lithium sites full, to 10.7464, 6.4427, 5.0068 Å, 30 meV/atom
# above the Cmcm phase; for that phase they fall short of experiment by 0.67 % on average, which is made up here.
_LI4GEO4_PNMA: Final = (
    (10.8184, 6.4859, 5.0404),
    ((0.82039, 0.02556, 0.17673), (0.10541, 0.75, 0.29625)),
    (0.92365, 0.75, 0.87427),
    ((0.84698, 0.52037, 0.77973), (0.92968, 0.25, 0.29290), (0.92584, 0.75, 0.22607)),
)

_BETA_REFERENCES: Final = (
    "β-Li3PS4, cell at 637 K and lithium sites 8d, 4b, 4c: Homma et al., Solid State Ionics 182, 53 (2011), "
    "doi:10.1016/j.ssi.2010.10.001",
    "β-Li3PS4, positions: relaxed with CHGNet 0.3.0 (r2SCAN) in the measured cell, Li on 8d and 4c",
)
_BETA_CAVEAT: Final = "atomic positions of β-Li3PS4 are relaxed with CHGNet (r2SCAN) in the measured cell"


def lpsgo() -> DisorderedSystem:
    """System of the lithium oxysulphides, with the nine compositions of the published grid."""
    return DisorderedSystem(
        key="lpsgo",
        title="Li(3+x)P(1-x)Ge(x)S(4-4x)O(4x)",
        parents=[_pnma_parent(*_LI3PS4_PNMA), _pnma_parent(*_LI4GEO4_PNMA)],
        occupancies={
            "Li": {"Li": "(3 + x) / 4"},
            "T": {"P": "1 - x", "Ge": "x"},
            "X": {"S": "1 - x", "O": "x"},
        },
        grid=[{"x": step / 8} for step in range(9)],
        end_members=[{"x": 0.0}, {"x": 1.0}],
        mobile_ion="Li",
        oxidation_states=dict(_STATES),
        # With equal charges, all ways to spread O and S over the tetrahedra have one Ewald energy. Oxygen half a charge
        # below sulphur, their mean kept at -2, goes to phosphorus: PO4 and GeS4 lie more than 0.1 eV/atom below mixed
        # tetrahedra in CHGNet.
        ranking_charges={"O": "-2 - (1 - x) / 2", "S": "-2 + x / 2"},
        supercells=[(1, 1, 1), (1, 1, 2)],
        formula_units_per_cell=4,
        references=[
            "Grid and space group: Deng et al., J. Mater. Chem. A (2025), doi:10.1039/d5ta05321h, after Li, Deng and "
            "Chen, Chem. Mater. 36, 7877 (2024)",
            *_BETA_REFERENCES,
            "Li4GeO4 in Pnma: hypothetical; relaxed with CHGNet 0.3.0 (r2SCAN) from the structure of β-Li3PS4 and "
            "scaled by 1.0067, the mean factor that experiment asks for in the Cmcm phase",
        ],
        caveats=[
            _BETA_CAVEAT,
            "Li4GeO4 in Pnma is hypothetical; its cell and positions are an estimate by CHGNet",
        ],
    )


def beta_li3ps4() -> DisorderedSystem:
    """β-Li3PS4, the medium-temperature phase: Li spread over 8d, 4b and 4c."""
    return _single_phase(
        "li3ps4-beta",
        "β-Li3PS4 (Pnma)",
        _pnma_parent(*_LI3PS4_PNMA),
        formula_units=4,
        lithium="3/4",
        references=_BETA_REFERENCES,
        caveats=(_BETA_CAVEAT,),
    )


def alpha_li3ps4() -> DisorderedSystem:
    """α-Li3PS4, the high-temperature phase, in the structure of Li4GeO4 with a quarter of the lithium sites vacant.

    Sulphur forms a body-centred lattice. The positions are the mean of ten orderings of low Coulomb energy, relaxed
    with CHGNet. Li on 8g stays where Li4GeO4 has it: its mean position would bring equivalent sites within 1.5 Å.
    """
    return _single_phase(
        "li3ps4-alpha",
        "α-Li3PS4 (Cmcm)",
        _cmcm_parent(
            (8.6125, 9.0211, 8.4262),
            ("P", "S"),
            ((0.14961, 0.28071, 0.75), (0.179, 0.0, 0.0)),
            (0.0, 0.32063, 0.25),
            ((0.0, 0.20337, 0.04428), (0.18907, 0.45588, 0.25)),
        ),
        formula_units=4,
        lithium="3/4",
        references=(
            "Cell at 906 K: Homma et al., J. Phys. Soc. Jpn. 79, Suppl. A, 90 (2010), doi:10.1143/JPSJS.79SA.90 "
            "(there in Pbcn, a subgroup of Cmcm with the same axes)",
            "Space group: Deng et al., J. Mater. Chem. A (2025), doi:10.1039/d5ta05321h",
            "Positions: a model of the type of Li4GeO4; framework relaxed with CHGNet 0.3.0 (r2SCAN) in the measured "
            "cell, mean of ten orderings; lithium on 8e in the centre of its tetrahedron, on 8g as in Li4GeO4",
        ),
        caveats=("atomic positions of α-Li3PS4 are a model of Li4GeO4 type, not refined ones",),
    )


def gamma_li3ps4() -> DisorderedSystem:
    """γ-Li3PS4, the ordered room-temperature phase."""
    parent = parent_structure(
        31,
        (7.70829, 6.53521, 6.1365, 90.0, 90.0, 90.0),
        [
            WyckoffSite("Li", "Li", (0.22741, 0.65757, 0.51814)),  # 4b
            WyckoffSite("Li", "Li", (0.0, 0.12664, 0.46307)),  # 2a
            WyckoffSite("T", "P", (0.0, 0.81092, 0.98479)),  # 2a
            WyckoffSite("X", "S", (0.20981, 0.67622, 0.88436)),  # 4b
            WyckoffSite("X", "S", (0.0, 0.11941, 0.88835)),  # 2a
            WyckoffSite("X", "S", (0.0, 0.79717, 0.31984)),  # 2a
        ],
    )
    return _single_phase(
        "li3ps4-gamma",
        "γ-Li3PS4 (Pmn2_1)",
        parent,
        formula_units=2,
        references=(
            "Cell and positions: Liu et al., J. Am. Chem. Soc. 135, 975 (2013), doi:10.1021/ja3110895, as in OBELiX "
            "1.2 (entry joc, CC BY 4.0); sulphur occupancies of 0.97 to 0.99 are taken as 1",
        ),
    )


def cmcm_li4geo4() -> DisorderedSystem:
    """Li4GeO4 as it is found, ordered."""
    return _single_phase(
        "li4geo4-cmcm",
        "Li4GeO4 (Cmcm)",
        _cmcm_parent(
            (7.766, 7.357, 6.049),
            ("Ge", "O"),
            ((0.14961, 0.28071, 0.75), (0.15725, 0.0, 0.0)),
            (0.0, 0.33562, 0.25),
            ((0.0, 0.20088, 0.00700), (0.18525, 0.47153, 0.25)),
        ),
        formula_units=4,
        references=("Cell and positions: doi:10.1021/acs.chemmater.8b01504, as in OBELiX 1.2 (entry dth, CC BY 4.0)",),
    )


def _pnma_parent(
    lattice_ang: _Position, lithium: tuple[_Position, _Position], centre: _Position, anions: tuple[_Position, ...]
) -> Structure:
    lithium_8d, lithium_4c = lithium
    return parent_structure(
        62,
        (*lattice_ang, 90.0, 90.0, 90.0),
        [
            WyckoffSite("Li", "Li", lithium_8d),
            WyckoffSite("Li", "Li", (0.0, 0.5, 0.5)),  # 4b
            WyckoffSite("Li", "Li", lithium_4c),
            WyckoffSite("T", "P", centre),  # 4c
            *(WyckoffSite("X", "S", position) for position in anions),  # 8d, 4c, 4c
        ],
    )


def _cmcm_parent(
    lattice_ang: _Position,
    elements: tuple[str, str],
    lithium: tuple[_Position, _Position],
    centre: _Position,
    anions: tuple[_Position, _Position],
) -> Structure:
    central, anion = elements
    return parent_structure(
        63,
        (*lattice_ang, 90.0, 90.0, 90.0),
        [
            *(WyckoffSite("Li", "Li", position) for position in lithium),  # 8g, 8e
            WyckoffSite("T", central, centre),  # 4c
            *(WyckoffSite("X", anion, position) for position in anions),  # 8f, 8g
        ],
    )


def _single_phase(
    key: str,
    title: str,
    parent: Structure,
    *,
    formula_units: int,
    lithium: str = "1",
    references: tuple[str, ...],
    caveats: tuple[str, ...] = (),
) -> DisorderedSystem:
    """System of one composition, for what is studied beside a grid."""
    elements = {str(element) for element in parent.composition}
    return DisorderedSystem(
        key=key,
        title=title,
        parents=[parent],
        occupancies={"Li": {"Li": lithium}},
        grid=[{}],
        end_members=[{}],
        mobile_ion="Li",
        oxidation_states={element: state for element, state in _STATES.items() if element in elements},
        formula_units_per_cell=formula_units,
        references=list(references),
        caveats=list(caveats),
    )
