"""Li6PS5Cl to Li6PS5Br: the argyrodites that the broad reference model learns beside the shipped systems."""

from __future__ import annotations

from disolyte.systems import DisorderedSystem, WyckoffSite, parent_structure


def argyrodite() -> DisorderedSystem:
    """Li6PS5Cl(1-y)Br(y), F-43m, lithium over 48h, sulphur and halogen mixed over 4a and 4d.

    Cells and positions after Deiseroth et al., Angew. Chem. Int. Ed. 47, 755 (2008), doi:10.1002/anie.200703900, and
    Kraft et al., J. Am. Chem. Soc. 139, 10909 (2017), doi:10.1021/jacs.7b06327, rounded.
    """
    positions = [
        WyckoffSite("Li", "Li", (0.182, 0.182, -0.025)),  # 48h
        WyckoffSite("P", "P", (0.0, 0.0, 0.5)),  # 4b
        WyckoffSite("S", "S", (0.119, -0.119, 0.619)),  # 16e
        WyckoffSite("A", "S", (0.25, 0.25, 0.75)),  # 4d
        WyckoffSite("A", "Cl", (0.0, 0.0, 0.0)),  # 4a
    ]
    edges_ang = (9.86, 9.99)
    return DisorderedSystem(
        key="argyrodite",
        title="Li6PS5Cl(1-y)Br(y)",
        parents=[parent_structure("F-43m", (edge, edge, edge, 90, 90, 90), positions) for edge in edges_ang],
        occupancies={
            "Li": {"Li": "1/2"},
            "A": {"S": "1/2", "Cl": "(1 - y)/2", "Br": "y/2"},
        },
        grid=[{"y": y} for y in (0.0, 0.25, 0.5, 0.75, 1.0)],
        end_members=[{"y": 0.0}, {"y": 1.0}],
        mobile_ion="Li",
        oxidation_states={"Li": 1, "P": 5, "S": -2, "Cl": -1, "Br": -1},
        formula_units_per_cell=4,
    )
