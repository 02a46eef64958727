"""E0s, replay frames, errors, and the comparison of settings."""

import numpy as np
import pytest

from disolyte.errors import DatasetError, FinetuningError, InputError, ModelCoverageError
from disolyte.finetuning.finetune import mace_arguments
from disolyte.finetuning.frames import Frames, check_frames
from disolyte.finetuning.inputs import RECORD_FILE, make_once
from disolyte.finetuning.makers import FinetuneMaker, ScratchTrainMaker
from disolyte.finetuning.metrics import compare, head_errors, quantity_errors
from disolyte.finetuning.options import FinetuneOptions, ReplayOptions
from disolyte.finetuning.reference_energies import estimate_e0s, given_e0s, least_squares_per_atom, model_e0s_ev
from disolyte.finetuning.replay import make_replay
from disolyte.finetuning.settings import compare_settings


@pytest.fixture(scope="module")
def frames(dataset):
    return dataset.to_atoms("train")


def relabelled(foundation, frames, *, force_ev_per_ang=0.0, energy_ev_per_atom=0.0, shifts_ev=None):
    predicted = foundation.predict(frames)
    copies = [atoms.copy() for atoms in frames]
    for i, atoms in enumerate(copies):
        shift = sum((shifts_ev or {}).get(symbol, 0.0) for symbol in atoms.get_chemical_symbols())
        atoms.info["REF_energy"] = predicted.energies_ev[i] + shift + energy_ev_per_atom * len(atoms)
        atoms.info["REF_stress"] = predicted.stresses_ev_per_ang3[i]
        atoms.arrays["REF_forces"] = predicted.forces_ev_per_ang[i] + force_ev_per_ang
    return copies


def test_known_errors_are_found(foundation, frames):
    off = relabelled(foundation, frames, force_ev_per_ang=0.2, energy_ev_per_atom=0.01)
    errors = quantity_errors(compare(foundation, off))
    assert errors.energy_rmse_ev_per_atom == pytest.approx(0.01, abs=1e-5)
    assert errors.force_mae_ev_per_ang == pytest.approx(0.2, abs=1e-5)
    assert errors.stress_rmse_ev_per_ang3 == pytest.approx(0.0, abs=1e-7)
    assert all(rmse == pytest.approx(0.2, abs=1e-5) for rmse in errors.force_rmse_by_element_ev_per_ang.values())


def test_errors_per_composition_make_up_the_whole(foundation, dataset):
    held = dataset.to_atoms("test")
    found = head_errors(compare(foundation, held), held, head="target", split="test")
    squares = sum(part.n_frames * part.energy_rmse_ev_per_atom**2 for part in found.by_composition.values())
    assert np.sqrt(squares / len(held)) == pytest.approx(found.overall.energy_rmse_ev_per_atom)
    assert set(found.by_composition) == set(dataset.compositions["test"])


def test_missing_stress_is_no_error(foundation, frames):
    some = [atoms.copy() for atoms in frames[:3]]
    del some[1].info["REF_stress"]
    assert quantity_errors(compare(foundation, some)).stress_rmse_ev_per_ang3 > 0
    for atoms in some:
        atoms.info.pop("REF_stress", None)
    assert quantity_errors(compare(foundation, some)).stress_rmse_ev_per_ang3 is None


def test_energies_of_elements_are_recovered(foundation, frames):
    shifts = {"Li": 0.3, "In": -1.0, "Y": 0.7, "Br": 0.2, "Cl": -0.4}
    found = estimate_e0s(foundation, relabelled(foundation, frames, shifts_ev=shifts))
    composed = [
        sum((found.shifts_ev[s] - shifts[s]) for s in atoms.get_chemical_symbols()) / len(atoms) for atoms in frames
    ]
    np.testing.assert_allclose(composed, 0, atol=1e-5)
    base = model_e0s_ev(foundation)
    assert all(found.e0s_ev[s] == pytest.approx(base[s] + found.shifts_ev[s]) for s in found.e0s_ev)


def test_one_composition_is_enough(foundation, frames):
    same = [frames[0]] * 4
    found = estimate_e0s(foundation, relabelled(foundation, same, energy_ev_per_atom=0.5))
    assert found.rank == 1
    shift = sum(found.shifts_ev[s] for s in same[0].get_chemical_symbols()) / len(same[0])
    assert shift == pytest.approx(0.5, abs=1e-5)
    assert max(abs(value) for value in found.shifts_ev.values()) < 2.0


def test_fixed_ratio_lowers_the_rank(frames):
    energies = np.array([float(len(atoms)) for atoms in frames])
    _, rank = least_squares_per_atom(frames, energies)
    assert rank < 5  # Li3MX6: three Li and six halogens to each metal


def test_isolated_atoms_must_cover_the_dataset(foundation, frames):
    with pytest.raises(FinetuningError, match=r"has no Br, Y"):
        given_e0s(foundation, frames, {"Li": 0.0, "In": 0.0, "Cl": 0.0})


def test_replay_carries_the_labels_of_the_foundation(foundation, frames):
    replay = make_replay(foundation, frames, ReplayOptions(n_frames=30), seed=3)
    assert (len(replay.train), len(replay.valid)) == (27, 3)
    again = foundation.predict(replay.train)
    for i, atoms in enumerate(replay.train):
        assert atoms.info["REF_energy"] == pytest.approx(again.energies_ev[i], abs=1e-4)
        np.testing.assert_allclose(atoms.arrays["REF_forces"], again.forces_ev_per_ang[i], atol=1e-4)
    assert np.abs(replay.train[0].arrays["REF_forces"]).max() > 0.1
    same = make_replay(foundation, frames, ReplayOptions(n_frames=30), seed=3)
    np.testing.assert_array_equal(same.train[5].positions, replay.train[5].positions)


@pytest.mark.parametrize("n", [0, 1])
def test_no_replay_is_refused(foundation, frames, n):
    with pytest.raises(FinetuningError, match="naive fine-tuning"):
        make_replay(foundation, frames, ReplayOptions(n_frames=n), seed=0)


def test_other_settings_than_asked_are_refused():
    asked = {"lr": 0.01, "ema_decay": 0.99, "heads": ["pt_head", "target"], "loss": "UniversalLoss"}
    compare_settings(asked, {**asked, "lr": 0.01 + 1e-12})
    with pytest.raises(FinetuningError, match=r"lr: asked 0.01, used 0.0001.*ema_decay: asked 0.99, used 0.99999"):
        compare_settings(asked, {**asked, "lr": 1e-4, "ema_decay": 0.99999})
    with pytest.raises(FinetuningError, match="heads"):
        compare_settings(asked, {**asked, "heads": ["target"]})
    with pytest.raises(FinetuningError, match="used None"):
        compare_settings(asked, {key: value for key, value in asked.items() if key != "ema_decay"})


def test_asked_rate_and_averages_reach_mace(foundation, frames):
    arguments = mace_arguments(FinetuneOptions(lr=0.003), estimate_e0s(foundation, frames), seed=0, device="cpu")
    assert arguments["lr"] == 0.003
    assert arguments["force_mh_ft_lr"] is True
    assert "ema" in arguments


def test_unfit_frames_are_refused(frames):
    with pytest.raises(DatasetError, match="5 training"):
        check_frames(Frames(frames[:5], frames[5:6], []), 10)
    unlabelled = frames[0].copy()
    del unlabelled.info["REF_energy"]
    with pytest.raises(DatasetError, match="lacks REF_energy"):
        check_frames(Frames([*frames[1:], unlabelled], frames[:1], []), 10)
    foreign = frames[0].copy()
    foreign.numbers[0] = 11
    with pytest.raises(DatasetError, match="Na is in the test frames"):
        check_frames(Frames(frames, frames[:1], [foreign]), 10)


def test_foundation_without_an_element_is_refused(foundation, frames):
    foreign = frames[0].copy()
    foreign.numbers[0] = 11
    with pytest.raises(ModelCoverageError, match="Na"):
        foundation.check_elements([foreign])


def test_damaged_record_of_inputs_is_named(tmp_path):
    (tmp_path / RECORD_FILE).touch()
    with pytest.raises(FinetuningError, match=f"{RECORD_FILE} cannot be read"):
        make_once(tmp_path, "key", dict)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"patience": 3, "scheduler_patience": 30}, "scheduler_patience=30 must be less than patience=3"),
        ({"energy_weight": 0, "forces_weight": 0, "stress_weight": 0}, "nothing would be learnt"),
        ({"forces_weight": np.inf}, "finite"),
        ({"lr": np.inf}, "lr"),
        ({"lr": 1e5}, "less than or equal to 1"),
        ({"isolated_atom_energies_ev": {"Li": np.nan}}, "finite"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, reason):
    with pytest.raises(ValueError, match=reason):
        FinetuneOptions(**settings)


def test_wild_replay_frames_are_refused():
    """Counting the neighbours of atoms that are infinitely far away takes for ever."""
    for settings in ({"rattle_ang": np.inf}, {"rattle_ang": 50.0}, {"rattle_ang": np.nan}, {"strain": np.nan}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            ReplayOptions(**settings)


@pytest.mark.parametrize("maker", [FinetuneMaker, ScratchTrainMaker])
@pytest.mark.parametrize("seed", [-1, 1.5, 2**40])
def test_seeds_are_checked_before_any_job(maker, seed):
    with pytest.raises(InputError, match="whole number from 0"):
        maker(seed=seed)


def test_energies_of_atoms_that_cannot_be_those_of_the_labels_are_refused(foundation, frames):
    right = estimate_e0s(foundation, frames).e0s_ev
    assert given_e0s(foundation, frames, right).source == "given"
    for wrong, reason in ((np.nan, "no numbers"), (np.inf, "no numbers"), (1e6, "from free atoms"), (-200.0, "free")):
        with pytest.raises(FinetuningError, match=reason):
            given_e0s(foundation, frames, {**right, "Cl": wrong, "Br": wrong})


def test_undetermined_energies_of_atoms_leave_a_caveat(foundation, frames):
    found = estimate_e0s(foundation, frames)
    assert found.rank == 3, "Li3MX6: the elements are in fixed ratios"
    assert "rank 3" in found.caveats[0]
    assert found.as_settings()["e0s_ev"] == found.e0s_ev
    assert not given_e0s(foundation, frames, found.e0s_ev).caveats
