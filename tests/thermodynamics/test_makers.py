"""From enumerated orderings to a phase diagram, with the small reference model."""

import json

import numpy as np
import pytest
from jobflow import Flow, run_locally
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core import Lattice, Structure

from disolyte.enumeration.makers import EnumerationMaker
from disolyte.errors import CompositionError, InputError
from disolyte.models import ModelSource, load_model
from disolyte.systems import disordered_structure, get_system
from disolyte.thermodynamics import (
    PhaseDiagramDoc,
    RankedEnergiesDoc,
    Relaxation,
    RelaxationProtocol,
    SelectionDoc,
)
from disolyte.thermodynamics.candidates import gather_candidates, pick_structures
from disolyte.thermodynamics.energies import to_atoms
from disolyte.thermodynamics.makers import HullSelectionMaker, PhaseDiagramMaker, RankingMaker

SMALL = ModelSource(name="disolyte-small")
FORMULAS = ["Li3InCl6", "Li3InBr6", "Li3YBr6", "Li3In0.5Y0.5Br6"]
N_LOWEST = 12


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    from jobflow import JobStore
    from maggma.stores import MemoryStore

    system = get_system("liybc")
    enumerate_, rank = EnumerationMaker(n_lowest=N_LOWEST, n_diverse=0), RankingMaker(foundation=SMALL, n_candidates=8)
    enumerations = [
        enumerate_.make(disordered_structure(system, system.point(formula)), point=system.point(formula))
        for formula in FORMULAS
    ]
    rankings = [rank.make(job.output) for job in enumerations]
    ends = [point.formula for point in system.end_member_points()]
    selection = HullSelectionMaker(n_select=9, seed=4).make([job.output for job in rankings], ends)
    outputs = [job.output for job in rankings]
    chlorides = [Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.1), ["Li", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])]
    same = PhaseDiagramMaker(dtype="float32").make(selection.output, SMALL, rankings=outputs, competing=chlorides)
    protocol = RelaxationProtocol(kind=Relaxation.CELL, max_steps=3)
    relaxed = PhaseDiagramMaker(relaxation=protocol).make(selection.output, SMALL)
    flow = Flow([*enumerations, *rankings, selection, same, relaxed])
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    folder = tmp_path_factory.mktemp("run")
    run_locally(flow, store=store, ensure_success=True, root_dir=folder, log=False)

    def get(job, schema):
        return schema.model_validate(store.get_output(job.uuid, load=True))

    return {
        "rankings": [get(job, RankedEnergiesDoc) for job in rankings],
        "selection": get(selection, SelectionDoc),
        "same": get(same, PhaseDiagramDoc),
        "relaxed": get(relaxed, PhaseDiagramDoc),
        "store": store,
        "ranking_uuid": rankings[0].uuid,
    }


def test_ranking_holds_the_models_energies(documents):
    ranking = documents["rankings"][3]
    assert ranking.point.formula == "Li3In0.5Y0.5Br6"
    assert ranking.energies_ev_per_fu == sorted(ranking.energies_ev_per_fu)
    assert (ranking.n_ranked, len(ranking.structures), ranking.n_failed) == (N_LOWEST, 8, 0)
    assert {structure.formula for structure in ranking.structures} == {"Li6 Y1 In1 Br12"}
    model = load_model(SMALL, dtype="float64")
    energies = model.predict([to_atoms(structure) for structure in ranking.structures]).energies_ev
    assert np.array(ranking.energies_ev_per_fu) * 2 == pytest.approx(energies, abs=1e-3)
    assert np.array(ranking.energies_ev_per_atom) * 20 == pytest.approx(energies, abs=1e-3)
    assert ranking.model_name == "disolyte-small"
    assert any("not for science" in caveat for caveat in ranking.caveats)


def test_structures_lie_in_the_additional_store(documents):
    shallow = documents["store"].get_output(documents["ranking_uuid"], load=False)
    assert "blob_uuid" in json.dumps(shallow["packed_structures"])
    assert len(json.dumps(shallow, cls=MontyEncoder)) < 10_000


def test_selection(documents):
    selection = documents["selection"]
    assert len(selection.entries) == 9
    assert [entry.point.formula for entry in selection.ground_states()] == FORMULAS
    assert selection.provenance.seed == 4
    assert len(selection.provenance.inputs) == 4
    assert any("not for science" in caveat for caveat in selection.caveats)
    candidates, _ = gather_candidates(documents["rankings"])
    again = pick_structures(candidates, selection.hull.end_members, n_select=9, temperature_k=800.0, seed=4)
    assert [entry.energy_ev_per_fu for entry in again.entries] == [e.energy_ev_per_fu for e in selection.entries]


def test_the_same_model_agrees_with_itself(documents):
    diagram = documents["same"]
    assert diagram.agreement.kendall_tau == pytest.approx(1, abs=0.02)
    assert diagram.agreement.ground_states_kept == diagram.agreement.n_compositions == 4
    for row in diagram.hull.rows:
        assert row.e_hull_ev_per_fu == pytest.approx(
            documents["selection"].hull.row(row.formula).e_hull_ev_per_fu, abs=1e-4
        )


def test_competing_phases_are_evaluated_with_the_same_model(documents):
    rows = documents["same"].competing
    assert [row.formula for row in rows] == FORMULAS
    for row in rows:
        # LiCl alone makes no lithium indium halide: only the mixing hull is left.
        assert row.e_hull_ev_per_fu == pytest.approx(documents["same"].hull.row(row.formula).e_hull_ev_per_fu, abs=1e-5)
    assert documents["relaxed"].competing == []


def test_diagram_names_the_model_that_relaxed_the_cells(documents):
    same, relaxed = documents["same"], documents["relaxed"]
    assert same.cell_model is None
    assert relaxed.cell_model == relaxed.model_name == "disolyte-small"
    # Cells that the ranking relaxed stay so in a diagram that takes energies alone.
    ranked = documents["selection"].model_copy(update={"relaxation": Relaxation.CELL, "model_name": "another"})
    assert PhaseDiagramMaker.make.original(PhaseDiagramMaker(), ranked, SMALL).cell_model == "another"


def test_lattice_constants_are_the_parent_s(documents):
    """A few steps of relaxation change the lattice by per cents; unrelaxed it is the interpolated parent."""
    system = get_system("liybc")
    for name, tolerance in (("same", 1e-6), ("relaxed", 0.05)):
        for state in documents[name].ground_states:
            parent = disordered_structure(system, state.point).lattice
            lattice = state.lattice
            assert lattice.setting == "parent"
            found = [lattice.a_ang, lattice.b_ang, lattice.c_ang, lattice.beta_deg]
            assert found == pytest.approx([*parent.abc, parent.beta], rel=tolerance)
            assert (lattice.alpha_deg, lattice.gamma_deg) == pytest.approx((90, 90))
            assert lattice.volume_ang3_per_fu == pytest.approx(parent.volume / 2, rel=3 * tolerance)
    assert documents["relaxed"].ground_states[0].lattice.a_ang != pytest.approx(6.432, abs=1e-3)


def test_table(documents):
    table = documents["relaxed"].table()
    assert table["formula"].tolist() == FORMULAS
    assert {"x", "y", "a_ang", "volume_ang3_per_fu", "e_hull_ev_per_atom", "is_stable"} <= set(table.columns)
    assert (table["e_hull_ev_per_fu"] / table["e_hull_ev_per_atom"].where(lambda e: e > 0)).dropna().tolist() == (
        pytest.approx([10.0] * int((table["e_hull_ev_per_atom"] > 0).sum()))
    )


def test_relaxation_lowers_every_ground_state(documents):
    diagram = documents["relaxed"]
    assert diagram.relaxation is Relaxation.CELL
    for row in diagram.hull.rows:
        assert row.energy_ev_per_fu < documents["selection"].hull.row(row.formula).energy_ev_per_fu - 1e-3
    state = diagram.ground_state("Li3YBr6")
    assert not state.converged
    assert state.family.startswith("Li3YBr6-")
    with pytest.raises(CompositionError, match="Li3YCl6"):
        diagram.ground_state("Li3YCl6")


@pytest.mark.parametrize("maker", [RankingMaker(foundation=SMALL), HullSelectionMaker(seed=3), PhaseDiagramMaker()])
def test_makers_survive_json(maker):
    assert json.loads(json.dumps(maker, cls=MontyEncoder), cls=MontyDecoder) == maker


def test_bad_input(documents):
    select = HullSelectionMaker.make.original
    with pytest.raises(InputError, match=r"-5.0 K; it must be positive"):
        select(HullSelectionMaker(temperature_k=-5.0), documents["rankings"], FORMULAS[:3])
    with pytest.raises(CompositionError, match="no mixture of the end members"):
        select(HullSelectionMaker(), documents["rankings"], ["Li3InCl6", "Li3InBr6"])
    with pytest.raises(InputError, match="at least two compositions"):
        select(HullSelectionMaker(), documents["rankings"][:1], ["Li3InCl6", "Li3InBr6"])


def test_one_composition_from_ranking_to_phase_diagram(documents):
    """A system from a single CIF has no hull to mix on; its orderings are drawn and ranked all the same."""
    ranking = documents["rankings"][3]
    formula = ranking.point.formula
    selection = HullSelectionMaker.make.original(HullSelectionMaker(n_select=4, seed=4), [ranking], [formula])
    assert len(selection.entries) == 4
    assert min(entry.e_hull_ev_per_fu for entry in selection.entries) == 0.0
    diagram = PhaseDiagramMaker.make.original(PhaseDiagramMaker(), selection, SMALL, rankings=[ranking])
    assert [row.formula for row in diagram.hull.rows] == [formula]
    lowest = ranking.energies_ev_per_fu[0]
    assert diagram.hull.rows[0].energy_ev_per_fu == pytest.approx(lowest, abs=1e-4)
    assert diagram.ground_state(formula).point == ranking.point
