"""The Monte Carlo job through jobflow, and what it hands on."""

import json

import numpy as np
import pytest
from jobflow import Flow, run_locally
from monty.json import MontyDecoder, MontyEncoder
from small_cases import halide, rock_salt

from disolyte.diffusion.makers import DiffusionMDMaker
from disolyte.enumeration.makers import EnumerationMaker
from disolyte.errors import InputError
from disolyte.models import ModelSource
from disolyte.plots import plot_monte_carlo
from disolyte.thermodynamics.makers import RankingMaker
from disolyte.thermodynamics.montecarlo import (
    ClusterEnergy,
    ElectrostaticEnergy,
    ModelEnergy,
    MonteCarloDoc,
    Schedule,
)
from disolyte.thermodynamics.montecarlo.makers import MonteCarloMaker

SMALL = ModelSource(name="disolyte-small")


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    from jobflow import JobStore
    from maggma.stores import MemoryStore

    point_charges = MonteCarloMaker(
        energy=ElectrostaticEnergy(permittivity=15.0),
        supercell=(2, 1, 2),
        schedule=Schedule(n_sweeps=400, n_chains=3, n_configurations=2, seed=7),
    ).make(halide())
    small = Schedule(n_sweeps=20, n_chains=2, trials_per_sweep=3)
    model = MonteCarloMaker(energy=ModelEnergy(SMALL), supercell=(1, 1, 1), schedule=small).make(halide())
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    # What DiffusionMaker's MD job is given: a reference to one configuration.
    handed_on = DiffusionMDMaker(foundation=SMALL).make(
        point_charges.output.configurations[0].structure,
        temperatures_k=(800.0,),
        supercell=(1, 1, 1),
        schedule=short_schedule(),
    )
    flow = Flow([point_charges, model, handed_on])
    run_locally(flow, store=store, ensure_success=True, root_dir=tmp_path_factory.mktemp("run"), log=False)

    def get(job):
        return MonteCarloDoc.model_validate(store.get_output(job.uuid, load=True))

    return {
        "point charges": get(point_charges),
        "model": get(model),
        "md": store.get_output(handed_on.uuid, load=True),
        "shallow": store.get_output(point_charges.uuid, load=False),
    }


def short_schedule():
    from disolyte.diffusion.schedule import LengthRule, MDSchedule

    return MDSchedule(lengths=LengthRule.uniform(length_ps=0.04, discard_ps=0.0), record_interval_fs=2.0)


def test_point_charges(documents):
    doc = documents["point charges"]
    assert doc.point.formula == "Li3InCl6"
    assert (doc.n_formula_units, doc.n_sites, doc.n_swapped) == (8, 88, 32)
    assert doc.energies_ev_per_fu.shape == (3, 400)
    assert doc.is_converged, doc.reasons
    assert doc.r_hat < 1.1
    assert len(doc.configurations) == 6
    assert {entry.structure.formula for entry in doc.configurations} == {"Li24 In8 Cl48"}
    assert doc.lowest.energy_ev_per_fu == doc.energies_ev_per_fu.to_array().min()
    assert doc.energy_ev_per_fu == pytest.approx(doc.energies_ev_per_fu.to_array()[:, 100:].mean(), abs=0.01)
    # Three quarters of the lithium sites are filled, whatever the split between 4g and 4h.
    lithium = [site.occupancies["Li"] for site in doc.site_occupancies]
    assert len(lithium) == 8
    assert np.mean(lithium) == pytest.approx(0.75)
    assert doc.provenance.seed == 7
    assert doc.swapped_sublattices == ["Li"]


def test_configurations_lie_in_the_additional_store_and_reach_diffusion(documents):
    shallow = documents["shallow"]
    assert "blob_uuid" in json.dumps(shallow["configurations"][0]["structure"], cls=MontyEncoder)
    assert len(json.dumps(shallow, cls=MontyEncoder)) < 20_000
    assert documents["md"]["formula"] == "Li3InCl6"


def test_model(documents):
    doc = documents["model"]
    assert doc.energy == "model"
    assert doc.model.name == "disolyte-small"
    assert any("not for science" in caveat for caveat in doc.caveats)
    assert not doc.is_converged
    assert any("independent energies" in reason for reason in doc.reasons)


def test_figure(documents):
    figure = plot_monte_carlo(documents["point charges"])
    figure.draw_without_rendering()
    axes, _ = figure.axes
    assert axes.get_ylabel() == r"$E - \langle E \rangle$ (meV / f.u.)"
    assert len([line for line in axes.get_lines() if line.get_label().startswith("chain")]) == 3
    assert "R-hat" in figure.get_suptitle()


def test_cluster_expansion_fitted_to_a_model_s_energies(clean_dir):
    pytest.importorskip("icet")
    disordered = halide()
    enumeration = EnumerationMaker.make.original(
        EnumerationMaker(n_lowest=40, n_diverse=0), disordered, supercells=[(1, 1, 1), (1, 1, 2)]
    )
    ranking = RankingMaker.make.original(RankingMaker(foundation=SMALL), enumeration)
    maker = MonteCarloMaker(
        energy=ClusterEnergy(cutoffs_ang=(6.0,)), supercell=(2, 2, 2), schedule=Schedule(n_sweeps=60, n_chains=2)
    )
    doc = MonteCarloMaker.make.original(maker, disordered, enumeration=enumeration, ranking=ranking)
    fit = doc.cluster_fit
    assert fit.energies == "disolyte-small"
    assert fit.cv_rmse_ev_per_fu < 0.5 * fit.spread_ev_per_fu
    # The mean over the chains lies among the energies that were fitted to, or not far above.
    lowest, highest = ranking.ordering_energies_ev_per_fu.to_array()[[0, -1]]
    assert ranking.energies_ev_per_fu[0] - 0.05 < doc.energy_ev_per_fu < max(lowest, highest) + 1.0
    with pytest.raises(InputError, match="not made from the enumeration"):
        other = enumeration.model_copy(update={"uuid": "another"})
        MonteCarloMaker.make.original(maker, disordered, enumeration=other, ranking=ranking)
    with pytest.raises(InputError, match="hand make.. an EnumerationDoc"):
        MonteCarloMaker.make.original(maker, disordered)


@pytest.mark.parametrize("energy", [ElectrostaticEnergy(), ModelEnergy(SMALL), ClusterEnergy(cutoffs_ang=(5.0, 4.0))])
def test_makers_survive_json(energy):
    maker = MonteCarloMaker(energy=energy)
    assert json.loads(json.dumps(maker, cls=MontyEncoder), cls=MontyDecoder) == maker


def test_bad_settings_are_refused_before_there_is_a_job():
    with pytest.raises(InputError, match="temperature of the Monte Carlo is -1 K"):
        MonteCarloMaker(temperature_k=-1)
    with pytest.raises(InputError, match="n_chains of the Monte Carlo is 0"):
        MonteCarloMaker(schedule=Schedule(n_chains=0))
    with pytest.raises(InputError, match="permittivity is 0"):
        ElectrostaticEnergy(permittivity=0)


def test_structure_without_named_sublattices(clean_dir):
    """A structure without the site property pools sites of equal occupancies."""
    bare = rock_salt()
    bare.remove_site_property("sublattice")
    maker = MonteCarloMaker(supercell=(2, 2, 2), schedule=Schedule(n_sweeps=30, n_chains=2))
    doc = MonteCarloMaker.make.original(maker, bare)
    assert doc.swapped_sublattices == ["Li+:0.5, Sc3+:0.5"]
    assert doc.n_formula_units == 8
