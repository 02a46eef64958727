"""Charges that tell isovalent species apart in the ranking of orderings."""

import pytest

from disolyte.enumeration import OrderingSpace
from disolyte.errors import CompositionError, InputError, OxidationStateError
from disolyte.systems import DisorderedSystem, disordered_structure, get_system


def tetrahedra(structure):
    """Neighbours of each P and Ge, e.g. {'GeSSSS', 'POOOO'}."""
    symbols = [site.specie.element.symbol for site in structure]
    found = set()
    for i, centre in enumerate(symbols):
        if centre in {"P", "Ge"}:
            near = sorted((structure.get_distance(i, j), s) for j, s in enumerate(symbols) if s in {"O", "S"})
            found.add(centre + "".join(sorted(symbol for _, symbol in near[:4])))
    return found


def test_oxygen_goes_to_phosphorus():
    system = get_system("lpsgo")
    point = system.point("Li3.5P0.5Ge0.5S2O2")
    disordered = disordered_structure(system, point)
    charges = system.charges_at(point.coordinates)
    assert charges["O"] == pytest.approx(-2.25)
    assert charges["S"] == pytest.approx(-1.75)
    space = OrderingSpace.from_structure(disordered, oxidation_states=charges)
    lowest = space.lowest_energy(2)
    assert lowest.exhaustive
    assert tetrahedra(space.to_structure(lowest.occupations[0])) == {"GeSSSS", "POOOO"}
    alike = OrderingSpace.from_structure(disordered, oxidation_states=system.oxidation_states).lowest_energy(100)
    assert alike.energies_ev[-1] - alike.energies_ev[0] < 1e-6  # oxidation states alone cannot tell


@pytest.mark.parametrize("key", ["nasicon", "lpsgo", "liybc", "li3ps4-beta"])
def test_charges_balance_at_every_composition(key):
    system = get_system(key)
    for point in system.points():
        charges = system.charges_at(point.coordinates)
        assert sum(n * charges[element] for element, n in system.amounts(point.coordinates).items()) == pytest.approx(0)


@pytest.mark.parametrize(
    ("charges", "error", "message"),
    [
        ({"O": "-2.5"}, OxidationStateError, r"leave -1 e|leave -0\.\d+ e"),
        ({"Na": "1"}, OxidationStateError, "names Na"),
        ({"O": "-2 - z"}, CompositionError, "'z', which is no axis"),
    ],
)
def test_unfit_charges_are_refused(charges, error, message):
    system = get_system("lpsgo").model_copy(update={"ranking_charges": charges})
    with pytest.raises(error, match=message):
        system.check()


def test_survive_a_file(tmp_path):
    system = get_system("lpsgo")
    system.to_yaml(tmp_path / "lpsgo.yaml")
    assert DisorderedSystem.from_yaml(tmp_path / "lpsgo.yaml").ranking_charges == system.ranking_charges


def test_errors_in_a_file_name_the_line(tmp_path):
    path = tmp_path / "lpsgo.yaml"
    get_system("lpsgo").to_yaml(path)
    path.write_text(path.read_text().replace("-2 + x / 2", "-2"))
    with pytest.raises(InputError, match=r"line \d+.*ranking_charges"):
        DisorderedSystem.from_yaml(path)
