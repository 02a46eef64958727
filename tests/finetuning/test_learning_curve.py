"""Learning curves: subsets, gains and verdicts on curves of known shape, and one made for real."""

from collections import Counter

import numpy as np
import pytest
from jobflow.core.reference import OutputReference, ResolvedReference
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from disolyte import DiffusionMaker, LearningCurveDoc, LearningCurveMaker
from disolyte.diffusion.schema import DiffusionDoc, TransportDoc
from disolyte.errors import DatasetError, InputError
from disolyte.finetuning.learning_curve.convergence import gather_levels, judge_convergence, measure_gains
from disolyte.finetuning.learning_curve.schema import ConvergenceRule, LearningPoint
from disolyte.finetuning.learning_curve.subsets import TrainingSubset, nested_order
from disolyte.finetuning.makers import FinetuneMaker
from disolyte.finetuning.reference.structures import random_ordering
from disolyte.flows.learning_points import LearningPointMaker
from disolyte.models.schema import HeadErrors, ModelDoc, ModelIdentity, QuantityErrors, TrainingRecord
from disolyte.provenance import Provenance
from disolyte.systems.schema import GridPoint
from disolyte.thermodynamics.candidates import Candidate, heights_above_hull, lowest_phases
from disolyte.thermodynamics.hull import mixing_hull
from disolyte.thermodynamics.schema import RankAgreement, Relaxation, SelectedStructure, SelectionDoc

MODEL = ModelIdentity(name="model", sha256="0" * 64)


def points(rmse, sizes, *, n_seeds=3, noise=0.0, seed=0, **more):
    rng = np.random.default_rng(seed)
    found = []
    for n in sizes:
        for number in range(n_seeds):
            value = rmse(n) * rng.normal(1.0, noise)
            errors = QuantityErrors(
                n_frames=9,
                energy_rmse_ev_per_atom=value,
                energy_mae_ev_per_atom=value,
                force_rmse_ev_per_ang=10 * value,
                force_mae_ev_per_ang=value,
                stress_rmse_ev_per_ang3=None,
                stress_mae_ev_per_ang3=None,
            )
            record = {name: of(n) for name, of in more.items()}
            found.append(
                LearningPoint(
                    n_train=n,
                    seed=number,
                    model=MODEL,
                    model_uuid="",
                    errors=errors,
                    n_epochs=1,
                    wall_time_s=1.0,
                    **record,
                )
            )
    return found


def verdict(found, **rule):
    levels = gather_levels(found)
    return judge_convergence(levels, measure_gains(levels), ConvergenceRule(**rule))


SIZES = (100, 200, 400, 800, 1600)


def test_gain_of_a_power_law_is_its_exponent():
    levels = gather_levels(points(lambda n: n**-0.5, (100, 300, 2000)))
    for gain in measure_gains(levels):
        assert gain.energy == pytest.approx(1 - 2**-0.5)
        assert gain.force == pytest.approx(1 - 2**-0.5)
        assert gain.energy_standard_error == pytest.approx(0.0, abs=1e-12)
        assert gain.stress is None


def test_spread_is_that_of_the_seeds():
    level = gather_levels(points(lambda n: 1.0, (100,), n_seeds=400, noise=0.05))[0]
    assert level.energy_rmse_ev_per_atom.std == pytest.approx(0.05, rel=0.1)
    assert level.energy_rmse_ev_per_atom.standard_error == pytest.approx(0.05 / 20, rel=0.1)
    assert gather_levels(points(lambda n: 1.0, (100,), n_seeds=1))[0].energy_rmse_ev_per_atom.std is None


def test_error_of_a_gain_covers_its_scatter():
    gains = [
        measure_gains(gather_levels(points(lambda n: n**-0.3, (100, 400), noise=0.05, seed=seed)))[0]
        for seed in range(300)
    ]
    scatter = np.std([gain.energy for gain in gains])
    assert np.mean([gain.energy_standard_error for gain in gains]) == pytest.approx(scatter, rel=0.2)


def test_falling_curve_has_not_converged():
    found = verdict(points(lambda n: n**-0.4, SIZES))
    assert not found.converged
    assert found.n_train is None
    assert "from 800 to 1600 frames the energy RMSE falls by 24.2% per doubling, more than 10%" in found.reason


def test_flat_end_has_converged_where_it_begins():
    found = verdict(points(lambda n: min(n, 400) ** -0.4, SIZES))
    assert (found.converged, found.n_train) == (True, 400)
    assert "not before: from 200 to 400 frames the " in found.reason
    assert "per doubling, more than" in found.reason


def test_flat_start_is_no_convergence():
    assert not verdict(points(lambda n: max(n, 800) ** -0.4, SIZES)).converged


def test_noise_is_no_convergence():
    """Where seeds scatter by more than the limit, a flat mean proves nothing."""
    assert not verdict(points(lambda n: 1.0, (100, 200), noise=0.3, seed=1)).converged
    assert verdict(points(lambda n: 1.0, (100, 200), noise=0.01)).converged


def test_hull_and_diffusivity_have_a_say():
    def agreement(n):
        return RankAgreement(
            reference_model="m", kendall_tau=0.5 if n < 800 else 0.95, n_structures=5, ground_states_kept=3,
            n_compositions=4, mean_abs_difference_ev_per_atom=0.001,
        )  # fmt: skip

    flat = points(lambda n: 1.0, SIZES, hull=agreement)
    assert verdict(flat).n_train == 800
    assert verdict(flat, smallest_kendall_tau=0.4).n_train == 100
    moving = points(lambda n: 1.0, SIZES, diffusivity_cm2_per_s=lambda n: 1e-5 if n > 200 else 3e-5)
    assert verdict(moving).n_train == 400
    assert "factor of 3.00" in verdict(moving).reason


def test_one_size_says_nothing():
    assert "says nothing" in verdict(points(lambda n: 1.0, (100,))).reason


def test_every_beginning_keeps_the_shares():
    compositions = ["A"] * 60 + ["B"] * 30 + ["C"] * 10
    order = nested_order(compositions, seed=5)
    assert sorted(order) == list(range(100))
    for n in (10, 20, 50, 90):
        counts = Counter(compositions[index] for index in order[:n])
        assert all(abs(counts[name] - share * n) <= 1.0 for name, share in (("A", 0.6), ("B", 0.3), ("C", 0.1)))
    assert nested_order(compositions, seed=5) == order
    assert nested_order(compositions, seed=6) != order


@pytest.mark.parametrize(
    "wrong", [{"sizes": ()}, {"sizes": (10, 10)}, {"sizes": (0, 5)}, {"seeds": ()}, {"seeds": (1, 1)}]
)
def test_settings_that_make_no_curve_are_refused(wrong):
    with pytest.raises(InputError, match=r"sizes|seeds"):
        LearningCurveMaker(**wrong)


def planned(maker, *args, **kwargs):
    return maker.make.original(maker, *args, **kwargs).replace


def test_jobs_carry_references_and_not_the_dataset(dataset):
    given = ResolvedReference(uuid="made-before", attributes=(), value=dataset)
    flow = planned(LearningCurveMaker(sizes=(5, 24, 99), seeds=(0, 1)), given)
    names = [job.name for job in flow.jobs]
    assert names.count("fine-tune model 5-0") == 1
    assert sum(name.startswith("fine-tune") for name in names) == 4  # 99 is more than there is, and 24 is all
    train = next(job for job in flow.jobs if job.name == "fine-tune model 24-1")
    assert isinstance(train.function_args[0], OutputReference)
    assert train.function_args[0].uuid == "made-before"
    assert train.maker.seed == 1


def test_diffusion_is_wired_where_asked_for(dataset, structure):
    maker = LearningCurveMaker(
        sizes=(5, 24), seeds=(0,), diffusion_maker=DiffusionMaker(temperatures_k=(900.0, 1000.0))
    )
    flow = planned(maker, dataset, diffusion_structure=structure)
    runs = [job for job, _ in flow.iterflow() if job.name.startswith("diffusion MD")]
    assert len(runs) == 2
    assert runs[0].function_kwargs["temperatures_k"] == (900.0,)
    with pytest.raises(InputError, match="both"):
        planned(maker, dataset)
    with pytest.raises(InputError, match="both"):
        planned(LearningCurveMaker(), dataset, diffusion_structure=structure)


def test_point_takes_the_diffusivity_of_its_model(doubled_errors):
    errors = HeadErrors(head="target", split="test", overall=doubled_errors)
    training = TrainingRecord(asked={}, effective={}, epochs=[], best_epoch=0, stopped_early=False, wall_time_s=2.0)
    model = ModelDoc.model_construct(
        uuid="trained", name="m", sha256="1" * 64, head="target", errors=[errors], training=training, foundation=MODEL,
        caveats=["small"], provenance=Provenance(),
    )  # fmt: skip
    at = DiffusionDoc.model_construct(diffusivity_cm2_per_s=2e-5, temperature_k=900.0)
    transport = TransportDoc.model_construct(uuid="moved", runs=[at], caveats=[], provenance=Provenance())
    maker = LearningPointMaker()
    found = maker.make.original(maker, model, TrainingSubset(n_train=7, seed=3), transport=transport)
    assert (found.point.n_train, found.point.seed, found.point.model_uuid) == (7, 3, "trained")
    assert found.point.errors == doubled_errors
    assert (found.point.diffusivity_cm2_per_s, found.diffusion_temperature_k) == (2e-5, 900.0)
    assert {record.uuid for record in found.provenance.inputs} == {"trained", "moved"}
    assert found.caveats == ["small"]
    untested = model.model_copy(update={"errors": [errors.model_copy(update={"split": "valid"})]})
    with pytest.raises(DatasetError, match="fixed test set"):
        maker.make.original(maker, untested, TrainingSubset(n_train=7))


@pytest.fixture
def doubled_errors():
    return points(lambda n: 2.0, (7,), n_seeds=1)[0].errors


def test_dataset_without_test_frames_is_refused(dataset):
    with pytest.raises(DatasetError, match="no test frames"):
        planned(LearningCurveMaker(), dataset.model_copy(update={"n_test": 0}))


@pytest.fixture(scope="module")
def structure() -> Structure:
    return AseAtomsAdaptor.get_structure(random_ordering(np.random.default_rng(1)))


@pytest.fixture(scope="module")
def selection(foundation):
    """Random orderings of the end members, and their hull with the foundation."""
    rng = np.random.default_rng(8)
    wanted = {"Li3InCl6": [], "Li3InBr6": [], "Li3YBr6": []}
    while min(map(len, wanted.values())) < 3:
        atoms = random_ordering(rng)
        name = "Li3" + "".join(s for s in ("In", "Y", "Cl", "Br") if s in atoms.get_chemical_symbols()) + "6"
        if name in wanted and len(wanted[name]) < 3:
            wanted[name].append(atoms)
    candidates = [
        Candidate(
            point=GridPoint(coordinates={}, formula=name),
            structure=AseAtomsAdaptor.get_structure(atoms),
            energy_ev=float(energy),
            n_formula_units=2.0,
            family=f"{name}-{index}",
        )
        for name, frames in wanted.items()
        for index, (atoms, energy) in enumerate(zip(frames, foundation.predict_energies(frames), strict=True))
    ]
    hull = mixing_hull(lowest_phases(candidates), list(wanted))
    entries = [
        SelectedStructure(
            structure=entry.structure,
            point=entry.point,
            family=entry.family,
            energy_ev_per_atom=entry.energy_ev / 20,
            energy_ev_per_fu=entry.energy_ev_per_fu,
            n_formula_units=2.0,
            e_hull_ev_per_fu=height,
            e_hull_ev_per_atom=height / 10,
            probability=0.1,
            is_ground_state=height == 0.0,
        )
        for entry, height in zip(candidates, heights_above_hull(candidates, hull), strict=True)
    ]
    return SelectionDoc(
        entries=entries, hull=hull, temperature_k=800.0, n_requested=9, n_candidates=9, n_duplicates=0,
        relaxation=Relaxation.STATIC, model_name="m", model_sha256="0" * 64,
    )  # fmt: skip


def test_curve_falls(maker, options, dataset, selection, run_job, tmp_path):
    trainer = FinetuneMaker(
        foundation=maker.foundation, replay=maker.replay, options=options.model_copy(update={"max_num_epochs": 5})
    )
    curve = LearningCurveMaker(trainer=trainer, sizes=(6, 24), seeds=(0, 1))
    doc = run_job(curve.make(dataset, selection=selection), LearningCurveDoc, tmp_path)
    few, all_frames = doc.levels
    print(
        [(level.energy_rmse_ev_per_atom, level.force_rmse_ev_per_ang) for level in doc.levels], doc.convergence.reason
    )
    assert (few.n_train, all_frames.n_train) == (6, 24)
    assert all_frames.force_rmse_ev_per_ang.mean < 0.9 * few.force_rmse_ev_per_ang.mean
    assert len(doc.points) == 4
    assert len({point.model.sha256 for point in doc.points}) == 4
    assert doc.points[0].hull.n_structures == 9
    assert doc.points[0].hull.kendall_tau > 0.3
    assert doc.points[-1].hull is None
    assert doc.points[0].errors.n_frames == doc.n_test == 6
    assert not doc.convergence.converged
    assert doc.foundation.name == "disolyte-small"
    assert "labels from a steepened foundation" in doc.caveats
