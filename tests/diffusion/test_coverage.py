"""The 95 % interval holds the true diffusivity as often as it says, for motion of every kind."""

import numpy as np
import pytest

N_IONS, N_FRAMES, N_WALKS = 20, 1000, 80
TRUE_D = 3e-5
FAST = 5


def free(walks, rng):
    return walks.assemble(rng, walks.brownian(rng, N_IONS, N_FRAMES, TRUE_D))


def vibrating(walks, rng):
    mobile = walks.brownian(rng, N_IONS, N_FRAMES, TRUE_D) + walks.rattle(rng, (N_IONS, 3, N_FRAMES), 0.3)
    return walks.assemble(rng, mobile)


def returning(walks, rng):
    return walks.assemble(rng, walks.hopping(rng, N_IONS, N_FRAMES, TRUE_D, back=0.4, memory=10.0))


def reversing(walks, rng):
    """Ions that diffuse five times as fast, though they undo two jumps in five."""
    mobile = walks.reversing(rng, N_IONS, N_FRAMES, FAST * TRUE_D, back=0.4)
    return walks.assemble(rng, mobile + walks.rattle(rng, mobile.shape, 0.2))


def anisotropic(walks, rng):
    scale = np.sqrt(3 * np.array([0.6, 0.35, 0.05]))
    return walks.assemble(rng, walks.brownian(rng, N_IONS, N_FRAMES, TRUE_D, scale))


def drifting(walks, rng):
    return walks.assemble(rng, walks.brownian(rng, N_IONS, N_FRAMES, TRUE_D), drift=True)


@pytest.mark.parametrize("case", [free, vibrating, returning, reversing, anisotropic, drifting])
def test_interval_covers_the_truth(case, walks, analyse):
    rng = np.random.default_rng(11)
    covered, haven_covered, scores, ratios = 0, 0, [], []
    true_d = FAST * TRUE_D if case is reversing else TRUE_D
    for _ in range(N_WALKS):
        result = analyse(*case(walks, rng))
        low, high = result.diffusivity_ci95_cm2_per_s
        covered += low <= true_d <= high
        haven_covered += result.haven_ratio_ci95[0] <= 1 <= result.haven_ratio_ci95[1]
        ratio = result.diffusivity_cm2_per_s / true_d
        ratios.append(ratio)
        scores.append(np.log(ratio) / result.diffusivity_relative_error)
    # 400 walks of each kind: tests/benchmarks/diffusion_statistics.py.
    assert 0.88 <= covered / N_WALKS <= 1.0
    assert 0.88 <= haven_covered / N_WALKS <= 1.0
    # An interval that is far too wide covers everything; the spread in units of the error shows it.
    assert 0.65 < np.std(scores) < 1.3
    assert abs(np.mean(ratios) - 1) < 4 * np.std(ratios) / np.sqrt(N_WALKS) + 0.01


def test_a_plain_line_is_overconfident(walks, analyse):
    rng = np.random.default_rng(12)
    results = [analyse(*free(walks, rng)) for _ in range(25)]
    off = [abs(r.plain_diffusivity_cm2_per_s - TRUE_D) / r.plain_diffusivity_std_cm2_per_s for r in results]
    assert np.median(off) > 5
    gls = np.std([r.diffusivity_cm2_per_s for r in results])
    assert gls < 0.6 * np.std([r.plain_diffusivity_cm2_per_s for r in results])


def test_analytic_and_bootstrap_errors_agree(walks, analyse):
    rng = np.random.default_rng(13)
    results = [analyse(*vibrating(walks, rng)) for _ in range(20)]
    assert np.mean([r.analytic_relative_error for r in results]) == pytest.approx(
        np.mean([r.bootstrap_relative_error for r in results]), rel=0.25
    )
    assert np.mean([r.bootstrap_diffusivity_cm2_per_s for r in results]) == pytest.approx(TRUE_D, rel=0.08)


def test_ions_that_move_as_groups_are_fewer_walkers(walks, analyse):
    """Two groups of ten ions are two walkers, not twenty."""
    rng = np.random.default_rng(14)
    spread, claimed = [], []
    for _ in range(30):
        groups = walks.brownian(rng, 2, 2000, TRUE_D)
        result = analyse(*walks.assemble(rng, np.repeat(groups, 10, axis=0)))
        spread.append(result.diffusivity_cm2_per_s / TRUE_D)
        claimed.append(result.diffusivity_relative_error)
    assert 0.6 * np.std(spread) < np.median(claimed) < 1.6 * np.std(spread)
    alone = analyse(*free(walks, rng))
    assert np.median(claimed) > 2 * alone.diffusivity_relative_error
