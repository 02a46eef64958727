"""All temperatures of one composition: which are fitted, what is reported."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from disolyte.blobs import Blob
from disolyte.diffusion import LengthRule, MDSchedule, MobileIon, TrustGates
from disolyte.diffusion.schedule import find_mobile_ion
from disolyte.diffusion.schema import DiffusionMDDoc, RunFrames, RunRecord, TransportDoc
from disolyte.diffusion.simulation import build_supercell, check_request, identify_mobile
from disolyte.diffusion.summary import TableTemperatures, summarise_transport
from disolyte.dynamics.watchdog import Reason, Verdict
from disolyte.errors import StructureError, TransportError
from disolyte.models.schema import ModelIdentity
from disolyte.units import BOLTZMANN_EV_PER_K

ENERGY, PREFACTOR = 0.25, 2.4e-3
TEMPERATURES = (700.0, 800.0, 900.0, 1000.0)
N_LI, N_FRAMES = 20, 1500


def true_d(temperature_k):
    return PREFACTOR * np.exp(-ENERGY / (BOLTZMANN_EV_PER_K * temperature_k))


def run_frames(temperature_k, displacements, reason=Reason.COMPLETED, seed=0):
    record = RunRecord(
        temperature_k=temperature_k,
        seed=seed,
        verdict=Verdict(reason=reason, step=100, message=""),
        engine="ase",
        n_steps=100,
        time_step_fs=1.0,
        frame_interval_fs=20.0,
        discarded_ps=1.0,
        n_frames=len(displacements),
        mean_temperature_k=temperature_k,
        energy_drift_ev_per_atom_per_ps=0.0,
        wall_s=1.0,
    )
    return RunFrames(record=record, positions_ang=Blob.from_array(displacements.astype(np.float32)))


@pytest.fixture
def make_md(walks):
    def make(diffusivity=true_d, temperatures=TEMPERATURES, n_frames=N_FRAMES, n_seeds=1, reasons=None, seed=0):
        rng = np.random.default_rng(seed)
        runs = []
        for t in temperatures:
            for replica in range(n_seeds):
                displacements, species = walks.assemble(rng, walks.brownian(rng, N_LI, n_frames, diffusivity(t)))
                runs.append(run_frames(t, displacements, (reasons or {}).get(t, Reason.COMPLETED), replica))
        coords = rng.random((len(species), 3))
        return DiffusionMDDoc(
            point=None,
            formula="test",
            supercell=Structure(Lattice.cubic(20.0), species, coords),
            supercell_size=(1, 1, 1),
            mobile=MobileIon(element="Li"),
            schedule=MDSchedule(),
            runs=runs,
            model=ModelIdentity(name="none", sha256="0"),
        )

    return make


def summarise(md, **table):
    return summarise_transport(
        md, {"caveats": ["c"], "provenance": md.provenance}, TrustGates(), TableTemperatures(**table), 0
    )


def test_activation_energy_and_conductivities_come_back(make_md):
    doc = summarise(make_md(), extrapolate_k=(300.0,))
    assert doc.verdict == "converged"
    assert doc.reasons == []
    assert all(run.is_in_fit and run.verdict == "converged" for run in doc.runs)
    assert abs(doc.activation_energy_ev - ENERGY) < 3 * doc.activation_energy_std_ev
    assert doc.activation_energy_std_ev < 0.05
    assert doc.reference_conductivity.source == "simulated"
    assert doc.reference_conductivity.temperature_k == 800.0
    cold = doc.conductivities[0]
    assert cold.temperature_k == 300.0
    assert cold.source.startswith("extrapolated")
    assert cold.reach > 1
    assert cold.conductivity_ci95_s_per_cm[0] < cold.conductivity_s_per_cm < cold.conductivity_ci95_s_per_cm[1]
    assert doc.run_at(900.0).temperature_k == 900.0
    assert doc.caveats == ["c"]


def test_reference_is_read_off_the_line_where_it_was_not_simulated(make_md):
    doc = summarise(make_md(temperatures=(700.0, 900.0, 1000.0)))
    assert doc.reference_conductivity.source.startswith("interpolated")
    row = doc.reference_conductivity
    rising = [r.conductivity_s_per_cm for r in doc.conductivities if r.temperature_k in (700.0, 800.0, 900.0)]
    assert rising == sorted(rising)
    assert row.conductivity_ci95_s_per_cm[0] < row.conductivity_s_per_cm < row.conductivity_ci95_s_per_cm[1]


def test_melted_temperature_is_left_out(make_md, walks):
    md = make_md(temperatures=(700.0, 800.0, 900.0))
    rng = np.random.default_rng(1)
    liquid = walks.brownian(rng, len(md.supercell), N_FRAMES, 1e-4).transpose(2, 0, 1)
    md.runs.append(run_frames(1100.0, liquid - liquid[0]))
    doc = summarise(md)
    melted = doc.run_at(1100.0)
    assert not melted.is_in_fit
    assert "melted" in melted.exclusion
    assert doc.arrhenius.n_points == 3
    assert doc.verdict == "converged"
    assert any("1100 K is left out: the framework melted" in reason for reason in doc.reasons)


def test_broken_run_is_left_out_whatever_it_shows(make_md):
    doc = summarise(make_md(reasons={1000.0: Reason.TEMPERATURE_SPIKE}))
    broken = doc.run_at(1000.0)
    assert broken.verdict == "unreliable"
    assert not broken.is_in_fit
    assert "temperature spike" in broken.reasons[0]
    assert np.isfinite(broken.diffusivity_cm2_per_s)
    assert doc.arrhenius.temperature_range_k == (700.0, 900.0)


def test_run_that_broke_at_once_leaves_only_a_reason(make_md):
    md = make_md(temperatures=(700.0, 800.0, 900.0))
    md.runs.append(run_frames(1000.0, np.zeros((2, len(md.supercell), 3)), Reason.NON_FINITE))
    doc = summarise(md)
    assert doc.run_at(1000.0) is None
    assert any("1000 K is left out: MD stopped" in reason for reason in doc.reasons)


def test_nothing_to_analyse_is_an_error(make_md):
    md = make_md(temperatures=(700.0,))
    md.runs[:] = [run_frames(700.0, np.zeros((2, len(md.supercell), 3)), Reason.NON_FINITE)]
    with pytest.raises(TransportError, match="non-finite"):
        summarise(md)


def test_short_runs_still_give_numbers_and_say_so(make_md):
    doc = summarise(make_md(lambda t: 0.25 * true_d(t), n_frames=300))
    assert doc.verdict == "unreliable"
    assert doc.arrhenius.basis in ("estimates", "limits")
    assert np.isfinite([doc.activation_energy_ev, doc.activation_energy_std_ev]).all()
    assert np.isfinite(doc.reference_conductivity.conductivity_s_per_cm)


def test_two_converged_temperatures_are_not_enough(make_md):
    doc = summarise(make_md(temperatures=(800.0, 1000.0)))
    assert doc.verdict == "unreliable"
    assert any("fewer than 3" in reason for reason in doc.reasons)
    assert doc.activation_energy_ev == pytest.approx(ENERGY, abs=0.15)


def test_limits_stay_out_if_there_is_better(make_md):
    doc = summarise(make_md(lambda t: true_d(t) if t > 750 else 1e-8))
    assert doc.run_at(700.0).verdict == "upper_limit"
    assert not doc.run_at(700.0).is_in_fit
    assert doc.verdict == "converged"
    assert doc.arrhenius.n_points == 3


def test_line_above_a_simulated_limit_gives_way_to_it(make_md):
    doc = summarise(make_md(lambda t: true_d(t) if t > 850 else 1e-8))
    assert doc.run_at(800.0).verdict == "upper_limit"
    assert doc.reference_conductivity.source == "simulated"
    assert doc.reference_conductivity.verdict == "upper_limit"


def test_insulator_has_a_limit_and_no_line(make_md):
    doc = summarise(make_md(lambda t: 1e-9))
    assert doc.verdict == "upper_limit"
    assert doc.arrhenius is None
    assert doc.activation_energy_ev is None
    assert doc.reference_conductivity.verdict == "upper_limit"
    assert doc.reference_conductivity.conductivity_s_per_cm > 0


def test_seeds_are_pooled_and_a_broken_one_dropped(make_md):
    md = make_md(n_seeds=3, temperatures=(700.0, 800.0, 900.0))
    md.runs[0].record = md.runs[0].record.model_copy(
        update={"verdict": Verdict(reason=Reason.FORCE_SPIKE, step=5, message="")}
    )
    doc = summarise(md)
    assert [run.n_runs for run in doc.runs] == [2, 3, 3]
    assert len(doc.runs[0].md_runs) == 3
    assert any("1 of 3 runs" in reason for reason in doc.runs[0].reasons)


def test_document_survives_json_with_the_same_hash(make_md):
    doc = summarise(make_md(n_frames=400))
    again = TransportDoc.model_validate_json(doc.model_dump_json())
    assert again.content_sha256() == doc.content_sha256()
    assert summarise(make_md(n_frames=400)).content_sha256() == doc.content_sha256()
    assert again.runs[0].diffusivity_tensor_cm2_per_s == pytest.approx(doc.runs[0].diffusivity_tensor_cm2_per_s)
    curves = again.runs[0].curves.to_curves()
    assert len(curves.lag_fs) == len(curves.tracer_ang2) <= 200
    assert set(curves.framework_ang2) == {"Cl", "In"}
    fit = again.arrhenius.to_fit()
    assert fit.extrapolate(300.0) == doc.arrhenius.to_fit().extrapolate(300.0)


def test_lengths_follow_the_published_rule():
    rule = LengthRule()
    assert (rule.length_ps(800.0), rule.discard_ps(800.0)) == (500.0, 100.0)
    assert (rule.length_ps(799.0), rule.discard_ps(799.0)) == (1000.0, 200.0)
    protocol = MDSchedule().protocol(1000.0, 0, "Li3InCl6")
    assert protocol.n_steps == 500_000
    assert protocol.thermostat == "berendsen"
    with pytest.raises(ValueError, match="leaves nothing"):
        LengthRule.uniform(1.0, 1.0)


def test_each_run_has_its_own_seed():
    schedule = MDSchedule(seed=3)
    seeds = {schedule.protocol(t, i, f).seed for t in (800.0, 900.0) for i in range(3) for f in ("a", "b")}
    assert len(seeds) == 12
    assert schedule.protocol(800.0, 0, "a").seed != MDSchedule(seed=4).protocol(800.0, 0, "a").seed


def test_mobile_ion_is_found_or_asked_for():
    assert find_mobile_ion(["Na", "Zr", "O"]).element == "Na"
    with pytest.raises(TransportError, match="name one"):
        find_mobile_ion(["Li", "Na", "Cl"])
    with pytest.raises(TransportError, match="name one"):
        find_mobile_ion(["Mg", "O"])


LICL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperatures_k": ()}, "temperatures_k"),
        ({"temperatures_k": (0.0,)}, "above 0 K"),
        ({"temperatures_k": (800.0, 800.0)}, "repeat"),
        ({"supercell": (2, 2)}, "whole numbers"),
        ({"supercell": (0, 1, 1)}, "whole numbers"),
        ({"schedule": MDSchedule(lengths=LengthRule.uniform(1.0, 0.5))}, "fewer than 16 frames"),
        ({"mobile": MobileIon(element="Li", charge=0)}, "charge 0"),
        ({"mobile": MobileIon(element="Na")}, "no mobile ions"),
    ],
)
def test_requests_are_checked_before_anything_runs(change, message):
    request = {
        "structure": LICL,
        "temperatures_k": (800.0,),
        "supercell": (1, 1, 1),
        "schedule": MDSchedule(),
        "mobile": None,
    }

    def check(structure, mobile, **others):
        check_request(mobile=mobile, **others)
        return identify_mobile(structure, mobile)

    assert check(**request) == MobileIon(element="Li")
    with pytest.raises(TransportError, match=message):
        check(**(request | change))


def test_disordered_structures_are_refused():
    half = LICL.copy()
    half.replace_species({"Li+": {"Li+": 0.5}})
    with pytest.raises(StructureError, match="partial"):
        identify_mobile(half, None)


def test_supercell_keeps_the_order_of_atoms():
    cell, atoms = build_supercell(LICL, (2, 1, 3))
    assert len(cell) == len(atoms) == 48
    assert [site.specie.symbol for site in cell] == atoms.get_chemical_symbols()
    assert atoms.positions == pytest.approx(cell.cart_coords)
    assert len(LICL) == 8
