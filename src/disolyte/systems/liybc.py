"""Li3In(x)Y(1-x)Br(6y)Cl(6-6y): the lithium halides between Li3InCl6, Li3InBr6 and Li3YBr6."""

from __future__ import annotations

from typing import Final

from pymatgen.core import Structure

from disolyte.systems.schema import DisorderedSystem
from disolyte.systems.structures import WyckoffSite, parent_structure

_SPACE_GROUP: Final = 12
"""C2/m, unique axis b, cell choice 1."""

_LI_INDIUM_CHLORIDE: Final = (
    (6.432, 11.093, 6.398, 90.0, 109.80, 90.0),
    (0.2356, 0.1600, 0.2313),
    (0.2447, 0.0, 0.7612),
)
_LI_YTTRIUM_BROMIDE: Final = (
    (6.9188, 11.9742, 6.8635, 90.0, 109.78, 90.0),
    (0.2633, 0.1553, 0.2397),
    (0.2532, 0.0, 0.7613),
)
# No refined cell was at hand. The r2SCAN weights of CHGNet 0.3.0 relax Li3InBr6 (Li on 4g and half of 4h) to 6.833,
# 11.774, 6.789 Å; for the other two end members they fall short of experiment by 0.22 % on average, which is made up
# here. The bromine positions are the mean of the halogens' in the other two.
_LI_INDIUM_BROMIDE: Final = (
    (6.848, 11.800, 6.804, 90.0, 109.70, 90.0),
    (0.2495, 0.1577, 0.2355),
    (0.2490, 0.0, 0.7612),
)


def liybc() -> DisorderedSystem:
    """System of the lithium halides, with the eleven compositions of the published grid."""
    return DisorderedSystem(
        key="liybc",
        title="Li3In(x)Y(1-x)Br(6y)Cl(6-6y)",
        parents=[_parent(*_LI_INDIUM_CHLORIDE), _parent(*_LI_INDIUM_BROMIDE), _parent(*_LI_YTTRIUM_BROMIDE)],
        occupancies={
            "Li": {"Li": "3/4"},
            "M": {"In": "x", "Y": "1 - x"},
            "X": {"Br": "y", "Cl": "1 - y"},
        },
        grid=[{"x": x, "y": y} for x in (0.0, 0.25, 0.5, 1.0) for y in (0.0, 0.25, 0.5, 0.75, 1.0)],
        constraints=["x + y >= 1"],
        end_members=[{"x": 1.0, "y": 0.0}, {"x": 1.0, "y": 1.0}, {"x": 0.0, "y": 1.0}],
        mobile_ion="Li",
        oxidation_states={"Li": 1, "In": 3, "Y": 3, "Br": -1, "Cl": -1},
        supercells=[(1, 1, 1), (1, 1, 2), (1, 2, 2)],
        formula_units_per_cell=2,
        references=[
            "Grid, space group, lithium sites: Deng et al., J. Mater. Chem. A (2025), doi:10.1039/d5ta05321h",
            "Li3InCl6, cell and chlorine positions: Li et al., Angew. Chem. Int. Ed. 58, 16427 (2019), "
            "doi:10.1002/anie.201909805, as in OBELiX 1.2 (entry de5, CC BY 4.0)",
            "Li3YBr6, cell and bromine positions: Asano et al., Adv. Mater. 30, 1803075 (2018), "
            "doi:10.1002/adma.201803075, as in OBELiX 1.2 (entry elz, CC BY 4.0)",
            "Li3InBr6: estimated; cell relaxed with CHGNet 0.3.0 (r2SCAN) and scaled by 1.0022, the factor that "
            "experiment asks for in the other two; bromine positions are the mean of theirs",
            "Lithium at the centres of the octahedra, y = 1/3 on 4g and y = 1/6 on 4h",
        ],
        caveats=["cell and halogen positions of Li3InBr6 are an estimate by CHGNet (r2SCAN)"],
    )


def _parent(
    lattice_parameters: tuple[float, ...],
    halogen_8j: tuple[float, float, float],
    halogen_4i: tuple[float, float, float],
) -> Structure:
    return parent_structure(
        _SPACE_GROUP,
        lattice_parameters,
        [
            WyckoffSite("Li", "Li", (0.0, 1 / 3, 0.0)),  # 4g
            WyckoffSite("Li", "Li", (0.0, 1 / 6, 0.5)),  # 4h
            WyckoffSite("M", "In", (0.0, 0.0, 0.0)),  # 2a
            WyckoffSite("X", "Br", halogen_4i),
            WyckoffSite("X", "Br", halogen_8j),
        ],
    )
