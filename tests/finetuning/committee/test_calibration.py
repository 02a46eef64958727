"""Calibration against errors whose distribution is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disolyte.errors import InputError
from disolyte.finetuning.committee import Scatter, calibrate, combine_predictions, coverage, fit_scale, rank_correlation
from disolyte.finetuning.committee.assessment import ranking_caveats
from disolyte.finetuning.committee.calibration import expected_error_curve
from disolyte.models import Predictions


def gaussian_scatter(rng, n, *, n_members, factor, n_components=1):
    """Members that scatter with a sigma that differs from value to value, and a mean that errs by `factor` as much."""
    sigma = np.exp(rng.normal(-3.0, 0.8, n))
    members = rng.normal(0.0, sigma[:, None, None], (n, n_components, n_members))
    spreads = np.sqrt(members.var(axis=2, ddof=1).mean(axis=1))
    errors = rng.normal(0.0, factor * sigma[:, None], (n, n_components))
    return Scatter(spreads, errors[:, 0] if n_components == 1 else errors)


@pytest.mark.parametrize("n_members", [2, 3, 4, 8, 30])
@pytest.mark.parametrize("n_components", [1, 3])
def test_intervals_hold_their_share_however_few_the_members(n_members, n_components):
    rng = np.random.default_rng(n_members)
    fitted, tested = (
        gaussian_scatter(rng, 20_000, n_members=n_members, factor=2.5, n_components=n_components) for _ in range(2)
    )
    freedom = n_components * (n_members - 1)
    result = calibrate(
        fitted, tested, name="energies", unit="eV/atom", degrees_of_freedom=freedom, frames=tested
    ) if n_components == 1 else None  # fmt: skip
    scale = fit_scale(fitted)
    assert scale == pytest.approx(2.5, rel=0.05)
    for nominal in (0.5, 0.6827, 0.9, 0.95):
        # Scale and share have statistical errors of 2 % and 0.4 %.
        observed = coverage(tested, nominal, scale=scale, degrees_of_freedom=freedom)
        assert observed == pytest.approx(nominal, abs=0.02)
        if result is not None:
            assert result.coverage_at(nominal).observed == observed
            assert result.coverage_at(nominal).observed_unscaled < nominal - 0.05


def test_gaussian_intervals_would_be_too_narrow_for_three_members():
    rng = np.random.default_rng(0)
    scatter = gaussian_scatter(rng, 20_000, n_members=3, factor=1.0)
    assert coverage(scatter, 0.95, scale=1.0, degrees_of_freedom=10**6) < 0.85


def test_rank_correlation_of_known_order():
    rng = np.random.default_rng(1)
    scatter = gaussian_scatter(rng, 20_000, n_members=30, factor=1.0)
    assert rank_correlation(scatter.spreads, scatter.spreads**2) == pytest.approx(1.0)
    assert rank_correlation(scatter.spreads, -1.0 / scatter.spreads) == pytest.approx(-1.0)
    assert abs(rank_correlation(scatter.spreads, rng.permutation(scatter.errors))) < 0.03
    # Of ln|error| = ln(sigma) + ln|z| only the first part, of variance 0.8² beside pi²/8, is known to the spread.
    pearson_of_logarithms = 0.8 / np.sqrt(0.8**2 + np.pi**2 / 8)
    assert rank_correlation(scatter.spreads, scatter.errors) == pytest.approx(pearson_of_logarithms, abs=0.05)
    assert rank_correlation(scatter.spreads[:2], scatter.errors[:2]) is None
    assert rank_correlation(np.ones(9), np.arange(9.0)) is None


def test_expected_errors_come_true():
    rng = np.random.default_rng(2)
    scatter = gaussian_scatter(rng, 20_000, n_members=30, factor=0.4)
    curve = expected_error_curve(scatter, scale=0.4)
    assert sum(entry.n for entry in curve) == 20_000
    for entry in curve:
        assert entry.observed == pytest.approx(entry.expected, rel=0.15)
    assert curve[-1].observed > 5 * curve[0].observed


def test_calibration_does_not_see_the_test_errors():
    rng = np.random.default_rng(3)
    fitted = gaussian_scatter(rng, 500, n_members=4, factor=1.0)
    tested = gaussian_scatter(rng, 500, n_members=4, factor=5.0)
    result = calibrate(fitted, tested, name="energies", unit="eV/atom", degrees_of_freedom=3, frames=tested)
    assert result.scale == pytest.approx(1.0, rel=0.15)
    assert result.coverage_at(0.95).observed < 0.6


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-3, 1e3), st.integers(2, 6))
def test_units_do_not_matter(unit, n_members):
    rng = np.random.default_rng(4)
    scatter = gaussian_scatter(rng, 60, n_members=n_members, factor=2.0)
    other = Scatter(scatter.spreads * unit, scatter.errors * unit)
    assert fit_scale(other) == pytest.approx(fit_scale(scatter))
    for nominal in (0.3, 0.8):
        assert coverage(other, nominal, scale=2.0, degrees_of_freedom=3) == pytest.approx(
            coverage(scatter, nominal, scale=2.0, degrees_of_freedom=3)
        )


@pytest.mark.parametrize(
    ("spreads", "errors", "message"),
    [
        ([], [], "there are no energies"),
        ([0.0, 0.0], [1.0, 2.0], "same model"),
        ([1.0, np.nan], [1.0, 2.0], "not finite"),
        ([1.0, 1.0], [1.0, np.inf], "not finite"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(spreads, errors, message):
    bad, good = Scatter(np.array(spreads), np.array(errors)), Scatter(np.ones(4), np.ones(4))
    for fitted, tested in ((bad, good), (good, bad)):
        with pytest.raises(InputError, match=message):
            calibrate(fitted, tested, name="energies", unit="eV/atom", degrees_of_freedom=3, frames=good)


def members_with_sigma(rng, sigma_ev, sigma_force, n_members, sizes=(5, 9)):
    return [
        Predictions(
            rng.normal([3.0, -7.0], sigma_ev),
            [rng.normal(0.0, sigma_force, (n, 3)) for n in sizes],
            rng.normal(0.0, 0.1, (2, 3, 3)),
        )
        for _ in range(n_members)
    ]


def test_spread_is_the_standard_deviation_of_the_members():
    rng = np.random.default_rng(5)
    combined = combine_predictions(members_with_sigma(rng, 0.4, 0.2, 4000), energy_scale=2.0, force_scale=3.0)
    np.testing.assert_allclose(combined.energies_ev, [3.0, -7.0], atol=0.03)
    np.testing.assert_allclose(combined.energy_spreads_ev, 2.0 * 0.4, rtol=0.05)
    np.testing.assert_allclose(combined.energy_spreads_ev_per_atom, [0.8 / 5, 0.8 / 9], rtol=0.05)
    np.testing.assert_allclose(np.concatenate(combined.force_spreads_ev_per_ang), 3.0 * 0.2, rtol=0.05)
    np.testing.assert_allclose(combined.frame_force_spreads_ev_per_ang, 0.6, rtol=0.02)
    assert (combined.largest_force_spreads_ev_per_ang >= combined.frame_force_spreads_ev_per_ang).all()
    np.testing.assert_allclose(combined.stress_spreads_ev_per_ang3, 0.1, rtol=0.1)


def test_variance_of_few_members_is_not_too_small_in_the_mean():
    rng = np.random.default_rng(6)
    squares = [
        np.mean(combine_predictions(members_with_sigma(rng, 0.4, 0.2, 2)).energy_spreads_ev ** 2) for _ in range(3000)
    ]
    assert np.mean(squares) == pytest.approx(0.16, rel=0.08)


def test_one_member_has_no_spread():
    with pytest.raises(InputError, match="at least 2"):
        combine_predictions(members_with_sigma(np.random.default_rng(0), 1.0, 1.0, 1))


@pytest.mark.parametrize(("spearman", "n"), [(0.9, 0), (0.31, 0), (0.2, 1), (-0.5, 1), (None, 1), (float("nan"), 1)])
def test_spreads_that_do_not_rank_errors_leave_a_caveat(spearman, n):
    scatter = Scatter(np.linspace(1.0, 2.0, 50), np.linspace(-1.0, 2.0, 50))
    found = calibrate(scatter, scatter, name="forces", unit="eV/Å", degrees_of_freedom=3, frames=scatter)
    caveats = ranking_caveats([found.model_copy(update={"spearman": spearman})])
    assert len(caveats) == n
    assert all("forces hardly ranks errors" in caveat for caveat in caveats)
