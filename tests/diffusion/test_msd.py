"""MSD by FFT against its definition, and its covariance against simulation."""

import numpy as np
import pytest

from disolyte.diffusion.covariance import MotionModel, WindowOverlaps
from disolyte.diffusion.msd import PAIRS, block_msd, choose_lags, fourth_moment, msd_components


def test_fft_equals_the_definition():
    rng = np.random.default_rng(0)
    series = rng.normal(size=(3, 3, 101)).cumsum(-1) + 1e4
    lags = choose_lags(101, 20)
    components = msd_components(series, lags)
    for k, lag in enumerate(lags):
        moved = series[..., lag:] - series[..., :-lag]
        for pair, (a, b) in enumerate(PAIRS):
            assert components[:, pair, k] == pytest.approx((moved[:, a] * moved[:, b]).mean(-1), abs=1e-7)


def test_fourth_moment_and_blocks_equal_the_definition():
    rng = np.random.default_rng(1)
    series = rng.normal(size=(4, 3, 120)).cumsum(-1)
    lags = np.array([1, 5])
    moved = series[..., 5:] - series[..., :-5]
    assert fourth_moment(series, lags)[1] == pytest.approx(((moved**2).sum(1) ** 2).mean())
    second = series[..., 40:80]
    expected = ((second[..., 5:] - second[..., :-5]) ** 2).sum(1).mean(-1)
    assert block_msd(series, 3, lags)[1, :, 1] == pytest.approx(expected)


def test_lags_end_at_half_of_the_run():
    lags = choose_lags(5000)
    assert lags[0] == 1
    assert lags[-1] == 2500
    assert len(lags) <= 200


def test_covariance_of_brownian_motion_is_exact():
    rng = np.random.default_rng(2)
    lags = choose_lags(300, 10)
    msd = msd_components(rng.normal(size=(4000, 3, 300)).cumsum(-1), lags)[:, :3].sum(1)
    ratio = np.cov(msd.T) / WindowOverlaps.of(lags, 300).covariance_ang4(MotionModel(3.0, 0.0, 0.0, 0.0, 1))
    assert np.abs(ratio - 1).max() < 0.12


def test_covariance_of_rare_jumps_needs_the_fourth_cumulant():
    rng = np.random.default_rng(3)
    n, share, length = 300, 0.02, 3.0
    directions = rng.normal(size=(4000, 3, n))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    walks = (directions * (rng.random((4000, 1, n)) < share) * length).cumsum(-1)
    lags = choose_lags(n, 10)
    sampled = np.cov(msd_components(walks, lags)[:, :3].sum(1).T)
    overlaps = WindowOverlaps.of(lags, n)
    slope = share * length**2
    jumps = overlaps.covariance_ang4(MotionModel(slope, length**2, 0.0, 0.0, 1))
    assert np.abs(sampled / jumps - 1).max() < 0.12
    assert (overlaps.covariance_ang4(MotionModel(slope, 0.0, 0.0, 0.0, 1))[0] < 0.5 * sampled[0]).all()


def test_covariance_with_rattling(walks):
    rng = np.random.default_rng(4)
    n, memory, amplitude = 400, 4.0, 0.8
    motion = 0.2 * rng.normal(size=(3000, 3, n)).cumsum(-1) + walks.rattle(rng, (3000, 3, n), amplitude, memory)
    lags = np.array([20, 40, 80, 160])
    sampled = np.cov(msd_components(motion, lags)[:, :3].sum(1).T)
    model = MotionModel(3 * 0.04, 0.0, 6 * amplitude**2, memory, 1)
    assert sampled == pytest.approx(WindowOverlaps.of(lags, n).covariance_ang4(model), rel=0.2)
