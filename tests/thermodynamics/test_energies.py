"""Sources of energies: MACE models and atomate2's force fields."""

import json

import numpy as np
import pytest
from monty.json import MontyDecoder, MontyEncoder

from disolyte.enumeration.makers import EnumerationMaker
from disolyte.errors import CompositionError, InputError, StructureError
from disolyte.models import ModelSource, load_model
from disolyte.systems import disordered_structure, get_system
from disolyte.thermodynamics import Relaxation, RelaxationProtocol
from disolyte.thermodynamics.candidates import lowest_phases
from disolyte.thermodynamics.energies import CalculatorModel, to_atoms
from disolyte.thermodynamics.energy_source import load_energy_model
from disolyte.thermodynamics.evaluation import evaluate_competing, rank_orderings
from disolyte.thermodynamics.makers import HullSelectionMaker, RankingMaker


@pytest.fixture(scope="module")
def enumeration():
    system = get_system("liybc")
    point = system.point("Li3In0.5Y0.5Br6")
    maker = EnumerationMaker(n_lowest=10, n_diverse=0)
    return EnumerationMaker.make.original(
        maker, disordered_structure(system, point), point=point, supercells=[(1, 1, 1), (1, 1, 2)]
    )


def test_small_model_s_energies_alone_are_those_with_forces(enumeration):
    model = load_model(ModelSource(name="disolyte-small"), dtype="float64")
    atoms = [to_atoms(cell.structure(i)) for cell in enumeration.cells for i in range(3)]
    assert model.predict_energies(atoms, max_atoms=45) == pytest.approx(model.predict(atoms).energies_ev, abs=1e-9)


def test_chgnet_through_atomate2(enumeration):
    """Batched energies alone, equal to those of the ASE calculator; ranked and relaxed by the job."""
    pytest.importorskip("chgnet")
    from atomate2.forcefields.jobs import ForceFieldStaticMaker

    force_field = ForceFieldStaticMaker(force_field_name="CHGNet", calculator_kwargs={"use_device": "cpu"})
    model = load_energy_model(force_field, device="cpu", dtype="float32")
    assert model.name == "CHGNet"
    assert len(model.sha256) == 64
    atoms = [to_atoms(cell.structure(i)) for cell in enumeration.cells for i in range(2)]
    one_by_one = [model.calculator().get_potential_energy(entry) for entry in atoms]
    assert model.predict_energies(atoms, max_atoms=45) == pytest.approx(one_by_one, abs=1e-4)

    relaxation = RelaxationProtocol(kind=Relaxation.CELL, max_steps=3)
    maker = RankingMaker(foundation=force_field, n_candidates=2, relaxation=relaxation)
    again = json.loads(json.dumps(maker, cls=MontyEncoder), cls=MontyDecoder)  # atomate2 makes lists of its tuples
    assert type(again.foundation) is ForceFieldStaticMaker
    assert again.foundation.calculator_kwargs == force_field.calculator_kwargs
    assert again.relaxation == relaxation
    ranking = RankingMaker.make.original(maker, enumeration)
    assert (ranking.model_name, ranking.model_sha256) == ("CHGNet", model.sha256)
    static = ranking.ordering_energies_ev_per_fu.to_array()
    assert static.shape == (enumeration.n_orderings,)
    assert ranking.energies_ev_per_fu[0] < static.min()
    assert ranking.lowest is not None
    assert np.allclose(ranking.lowest.frac_coords, ranking.structures[0].frac_coords)
    # The candidates are the lowest and the first of the enumeration; they know where they come from.
    places = [(c, i) for c, cell in enumerate(enumeration.cells) for i in range(cell.n_orderings)]
    assert places[np.argmin(static)] != (0, 0)
    assert {places[np.argmin(static)], (0, 0)} == set(ranking.origins)
    for origin, parent in zip(ranking.origins, ranking.parents, strict=True):
        assert parent.supercell == enumeration.cells[origin[0]].supercell
        assert np.array(parent.lattice_ang) == pytest.approx(np.array(enumeration.cells[0].lattice_ang))


def test_other_calculators_are_asked_one_by_one(enumeration):
    from ase.calculators.lj import LennardJones

    calculator = LennardJones(rc=5.0, sigma=2.0)
    model = CalculatorModel(calculator, name="LJ", settings={"rc": 5.0, "sigma": 2.0})
    atoms = [to_atoms(enumeration.cells[0].structure(i)) for i in range(2)]
    assert model.predict_energies(atoms) == pytest.approx([calculator.get_potential_energy(entry) for entry in atoms])
    other = CalculatorModel(calculator, name="LJ", settings={"rc": 6.0, "sigma": 2.0})
    assert model.sha256 != other.sha256
    phases = evaluate_competing([enumeration.cells[0].structure(i) for i in range(2)], model, RelaxationProtocol())
    assert [phase.formula for phase in phases] == ["Li6YInBr12"]
    assert phases[0].energy_ev_per_fu == pytest.approx(min(model.predict_energies(atoms)))


class Fixed:
    """Energies as they are given."""

    name, sha256, caveats = "fixed", "0" * 64, []

    def __init__(self, energies):
        self.energies = list(energies)

    def predict_energies(self, structures, max_atoms):
        return np.array([self.energies.pop(0) for _ in structures])


def test_orderings_without_an_energy_are_counted(enumeration):
    n = enumeration.n_orderings
    energies = np.linspace(-1, 0, n)
    energies[[2, 5]] = np.nan
    ranked = rank_orderings(enumeration, Fixed(energies), n_candidates=4, max_atoms=100)
    assert (ranked.n_ranked, ranked.n_failed) == (n - 2, 2)
    assert len(ranked.candidates) == 4
    assert lowest_phases(ranked.candidates)[0].amounts == {"Li": 3, "Y": 0.5, "In": 0.5, "Br": 6}


def test_first_of_the_enumeration_are_kept_besides_the_lowest(enumeration):
    energies = -np.arange(enumeration.n_orderings, dtype=float)  # the model likes the last ones as they are
    ranked = rank_orderings(enumeration, Fixed(energies), n_candidates=4, max_atoms=100, n_first=2)
    origins = [entry.origin for entry in ranked.candidates]
    assert len(origins) == 4
    by_place = sorted(
        ((number, cell) for cell, entry in enumerate(enumeration.cells) for number in range(len(entry.degeneracies))),
    )
    assert {(cell, number) for number, cell in by_place[:2]} <= set(origins)
    assert [entry.energy_ev_per_fu for entry in ranked.candidates] == sorted(
        entry.energy_ev_per_fu for entry in ranked.candidates
    )


def test_bad_input(enumeration):
    from atomate2.forcefields.jobs import ForceFieldRelaxMaker

    with pytest.raises(StructureError, match="none of the .* orderings of Li3In0.5Y0.5Br6 has a finite energy"):
        rank_orderings(enumeration, Fixed([np.nan] * enumeration.n_orderings), n_candidates=4, max_atoms=100)
    with pytest.raises(CompositionError, match="enumeration of Li3In0.5Y0.5Br6 holds no ordering"):
        rank_orderings(enumeration.model_copy(update={"cells": []}), Fixed([]), n_candidates=4, max_atoms=100)
    with pytest.raises(InputError, match="n_candidates is 0"):
        rank_orderings(enumeration, Fixed([]), n_candidates=0, max_atoms=100)
    with pytest.raises(InputError, match="ForceFieldRelaxMaker; pass .*ForceFieldStaticMaker"):
        load_energy_model(ForceFieldRelaxMaker(force_field_name="CHGNet"), device="cpu", dtype="float32")
    with pytest.raises(InputError, match="temperature of the selection is 0 K; it must be positive"):
        HullSelectionMaker(temperature_k=0)
