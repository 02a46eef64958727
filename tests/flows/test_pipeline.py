"""The whole pipeline, smaller than the quickstart: every stage real, every document traceable."""

import json
import math

import numpy as np
import pytest
from jobflow import run_locally

from disolyte.diffusion.schedule import LengthRule
from disolyte.diffusion.schema import TransportDoc
from disolyte.errors import CompositionError
from disolyte.flows.quickstart import quickstart_flow_maker, quickstart_system
from disolyte.models import load_model
from disolyte.models.loading import SMALL_MODEL_CAVEAT
from disolyte.results import Results, summarise
from disolyte.results.report import draw_figures, render_report

FORMULAS = ["Li3InCl6", "Li3InBr6", "Li3YBr6", "Li3In0.5Y0.5Br3Cl3"]


def small_flow():
    maker = quickstart_flow_maker()
    training = maker.training_set_maker
    training.enumeration_maker.n_lowest = 6
    training.enumeration_maker.n_diverse = 4
    training.selection_maker.n_select = 6
    sampler = training.sampling_maker.sampler
    sampler.protocol = sampler.protocol.model_copy(update={"n_steps": 60})
    sampler.frames = sampler.frames.model_copy(update={"n_frames": 4, "discard_ps": 0.02})
    maker.finetune_maker.options = maker.finetune_maker.options.model_copy(update={"max_num_epochs": 3})
    maker.finetune_maker.replay = maker.finetune_maker.replay.model_copy(update={"n_frames": 10})
    diffusion = maker.diffusion_maker
    diffusion.supercell = (1, 1, 1)
    diffusion.schedule = diffusion.schedule.model_copy(
        update={"lengths": LengthRule.uniform(length_ps=1.0, discard_ps=0.2)}
    )
    maker.diffusion_formulas = ["Li3InCl6"]
    return maker.make(quickstart_system())


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of one run, shared by the tests."""
    from jobflow import JobStore
    from maggma.stores import MemoryStore

    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    folder = tmp_path_factory.mktemp("pipeline")
    run_locally(small_flow(), store=store, ensure_success=True, root_dir=folder, create_folders=True, log=False)
    return Results(store)


def test_every_composition_has_a_place_on_the_hull(results):
    diagram = results.phase_diagram()
    assert [row.formula for row in diagram.hull.rows] == FORMULAS
    by_formula = {row.formula: row for row in diagram.hull.rows}
    for end_member in FORMULAS[:3]:
        assert by_formula[end_member].formation_energy_ev_per_fu == pytest.approx(0.0, abs=1e-9)
        assert by_formula[end_member].e_hull_ev_per_fu == pytest.approx(0.0, abs=1e-9)
    mixed = by_formula["Li3In0.5Y0.5Br3Cl3"]
    assert mixed.e_hull_ev_per_fu == pytest.approx(mixed.e_hull_ev_per_atom * 10)


def test_selection_holds_every_ground_state(results):
    selection = results.selection()
    assert {entry.point.formula for entry in selection.ground_states()} == set(FORMULAS)
    assert selection.temperature_k == 800.0


def test_dataset_keeps_families_apart(results):
    families = results.dataset().families
    assert not set(families["train"]) & (set(families["valid"]) | set(families["test"]))


def test_both_heads_were_trained(results):
    model = results.model()
    assert len(model.heads) == 2
    first = model.training.epochs[0]
    assert all(loss > 0 for loss in first.loss.values())
    assert len(first.loss) == 2


def test_model_predicts_from_the_store_alone(results):
    model = results.model(load=True)
    loaded = load_model(model)
    state = results.phase_diagram().ground_state("Li3InCl6")
    energies = loaded.predict([state.structure.to_ase_atoms()]).energies_ev
    row = results.phase_diagram().hull.row("Li3InCl6")
    assert energies[0] / state.n_formula_units == pytest.approx(row.energy_ev_per_fu, abs=1e-3)


def test_transport_is_finite_and_has_a_verdict(results):
    (transport,) = results.transport("Li3InCl6")
    assert [run.temperature_k for run in transport.runs] == [600.0, 700.0, 800.0]
    assert all(run.conductivity_s_per_cm > 0 for run in transport.runs)
    assert transport.activation_energy_ev is None or math.isfinite(transport.activation_energy_ev)
    assert transport.verdict != "converged", "1 ps of 6 ions cannot be trusted"
    assert transport.reasons
    assert results.diffusion("Li3InCl6", 700.0).temperature_k == 700.0


def test_caveats_reach_the_last_document(results):
    (transport,) = results.transport()
    assert SMALL_MODEL_CAVEAT in transport.caveats
    assert any("surrogate" in caveat for caveat in transport.caveats)


def test_every_input_can_be_traced_to_the_enumeration(results):
    known = {entry["uuid"] for entry in results.store.query({}, ["uuid"])}
    (transport,) = results.transport(load=True)
    seen, queue = set(), [record.uuid for record in transport.provenance.inputs]
    while queue:
        uuid = queue.pop()
        assert uuid in known
        seen.add(uuid)
        output = results.store.get_output(uuid, load=False)
        queue += [record["uuid"] for record in output["provenance"]["inputs"] if record["uuid"] not in seen]
    kinds = {results.store.get_output(uuid, load=False)["@class"] for uuid in seen}
    assert {"DiffusionMDDoc", "ModelDoc", "DatasetDoc", "LabelDoc"} <= kinds


def test_summary_is_json_with_a_verdict_for_all(results):
    rows = summarise(results)
    assert [row.formula for row in rows] == FORMULAS
    json.dumps([row.model_dump(mode="json") for row in rows], allow_nan=False)
    assert {row.verdict for row in rows if row.formula != "Li3InCl6"} == {"not simulated"}


def test_report_names_all_and_loads_nothing(results):
    page = render_report(results, list(draw_figures(results)))
    assert page.count("data:image/png;base64,") >= 4
    assert SMALL_MODEL_CAVEAT in page
    assert "Li<sub>3</sub>InCl<sub>6</sub>" in page
    assert 'src="http' not in page
    assert "<script" not in page


def test_documents_are_small(results):
    """Blobs live in the additional store: no document grows with the arrays."""
    import bson

    for entry in results.store.query({}):
        assert len(bson.encode({key: value for key, value in entry.items() if key != "_id"})) < 1_000_000


def test_unknown_composition_is_refused_before_anything_runs():
    maker = quickstart_flow_maker()
    maker.diffusion_formulas = ["Li3ScCl6"]
    with pytest.raises(CompositionError, match="'Li3ScCl6'.*Li3InCl6"):
        maker.make(quickstart_system())


def test_numbers_of_frames(results):
    sample = results.store.query_one({"output.@class": "SampleDoc"}, load=True)
    dataset = results.dataset()
    assert dataset.n_train + dataset.n_valid + dataset.n_test + len(dataset.quarantine) == 24
    assert np.prod([len(sample["output"]["runs"])]) == 6


def test_transport_doc_round_trip(results):
    (transport,) = results.transport(load=True)
    assert TransportDoc.model_validate(transport.model_dump()).content_sha256() == transport.content_sha256()
