"""What is called converged, an upper limit, or unreliable."""

import numpy as np
import pytest

TRUE_D = 3e-5


def numbers(result):
    return [
        result.diffusivity_cm2_per_s,
        *result.diffusivity_ci95_cm2_per_s,
        result.conductivity_s_per_cm,
        result.collective_conductivity_s_per_cm,
        result.haven_ratio,
        *result.haven_ratio_ci95,
        result.diffusivity_relative_error,
        result.empirical_rsd,
    ]


def test_long_diffusing_runs_converge(walks, analyse):
    rng = np.random.default_rng(0)
    verdicts = [analyse(*walks.assemble(rng, walks.hopping(rng, 24, 1500, 6e-5, back=0.2))).verdict for _ in range(25)]
    assert verdicts.count("converged") >= 23


def test_twenty_ions_below_two_square_angstrom_never_converge(walks, analyse):
    rng = np.random.default_rng(1)
    for _ in range(40):
        mobile = walks.brownian(rng, 20, 1000, 1.2e-6) + walks.rattle(rng, (20, 3, 1000), 0.15)
        result = analyse(*walks.assemble(rng, mobile))
        assert result.max_msd_ang2 < 3.5
        assert result.verdict == "upper_limit"
        assert result.empirical_rsd > 1.0
        assert result.diffusivity_cm2_per_s > 1.2e-6
        assert result.diffusivity_ci95_cm2_per_s[0] == 0
        assert np.isfinite(numbers(result)).all()


def test_crystal_without_jumps_gives_an_upper_limit(walks, analyse):
    rng = np.random.default_rng(2)
    result = analyse(*walks.assemble(rng, walks.rattle(rng, (24, 3, 2000), 0.25)))
    assert result.verdict == "upper_limit"
    assert any("changes of site" in reason for reason in result.reasons)
    # Three jumps of 3 Å by one of 24 ions within 40 ps.
    poisson = 3.0 * 9 / (6 * 24 * 40_000) * 0.1
    assert result.diffusivity_cm2_per_s >= 0.99 * poisson
    assert result.diffusivity_cm2_per_s < 3 * poisson
    assert np.isfinite(numbers(result)).all()


def test_perfectly_still_ions(walks, analyse):
    rng = np.random.default_rng(3)
    result = analyse(*walks.assemble(rng, np.zeros((8, 3, 200)), framework_amplitude=0.0))
    assert result.verdict == "upper_limit"
    assert np.isfinite(numbers(result)).all()


def test_short_run_is_unreliable_and_says_what_to_do(walks, analyse):
    rng = np.random.default_rng(4)
    results = [analyse(*walks.assemble(rng, walks.hopping(rng, 24, 500, 3e-5))) for _ in range(20)]
    assert all(result.verdict == "unreliable" for result in results)
    assert all("times as long" in " ".join(result.reasons) for result in results)
    covered = [r.diffusivity_ci95_cm2_per_s[0] <= 3e-5 <= r.diffusivity_ci95_cm2_per_s[1] for r in results]
    assert np.mean(covered) >= 0.8


def test_rattling_in_large_cages_is_not_diffusion(walks, analyse):
    rng = np.random.default_rng(5)
    result = analyse(*walks.assemble(rng, walks.rattle(rng, (24, 3, 1500), 1.5, memory=150.0)))
    assert result.max_msd_ang2 > 4.5
    assert result.verdict != "converged"


def test_half_of_the_ions_idle_is_not_converged(walks, analyse):
    rng = np.random.default_rng(6)
    mobile = walks.rattle(rng, (24, 3, 1500), 0.2)
    mobile[:6] += walks.brownian(rng, 6, 1500, 4 * TRUE_D)
    result = analyse(*walks.assemble(rng, mobile))
    assert result.verdict == "unreliable"
    assert any("of the mobile ions changed site" in reason for reason in result.reasons)


@pytest.mark.parametrize("melting", ["all", "one"])
def test_framework_that_does_not_hold(walks, analyse, melting):
    rng = np.random.default_rng(7)
    displacements, species = walks.assemble(rng, walks.brownian(rng, 24, 1500, 2 * TRUE_D))
    moving = np.array([s in (("Cl", "In") if melting == "all" else ("Cl",)) for s in species])
    flow = walks.brownian(rng, moving.sum(), 1500, TRUE_D).transpose(2, 0, 1)
    displacements[:, moving] += flow
    result = analyse(displacements, species)
    assert result.verdict == "unreliable"
    assert not result.framework_is_bounded
    assert ("melted" if melting == "all" else "broke down") in result.reasons[0]


def test_turning_groups_are_no_melting(walks, analyse):
    """Anions on spheres of 1.5 Å about their centres turn freely; their MSD stays bounded."""
    rng = np.random.default_rng(8)
    displacements, species = walks.assemble(rng, walks.brownian(rng, 24, 1500, 2 * TRUE_D))
    anions = np.flatnonzero(np.array(species) == "Cl")
    angle = np.cumsum(0.25 * rng.normal(size=(1500, len(anions))), axis=0)
    displacements[:, anions, 0] += 1.5 * (np.cos(angle) - np.cos(angle[0]))
    displacements[:, anions, 1] += 1.5 * (np.sin(angle) - np.sin(angle[0]))
    result = analyse(displacements, species)
    assert result.framework_msd_ang2["Cl"] > 2.5
    assert result.framework_is_bounded
    assert result.verdict == "converged"
