r"""Mean squared displacements over all time origins, by FFT, a few ions at a time.

For one ion and the components :math:`a, b`,

.. math:: M_{ab}(m) = \frac{1}{n-m} \sum_{s=0}^{n-m-1} [x_a(s+m) - x_a(s)][x_b(s+m) - x_b(s)],

which costs :math:`O(n \log n)` for all lags (Calandrini et al., Collection SFN 12, 201 (2011)). Only 120 lags,
evenly spread in ln t, are kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

PAIRS: Final = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""Components of the tensor in the order they are kept (Voigt's)."""

MAX_LAGS: Final = 120
"""Most lags kept."""

FFT_BYTES: Final = 4 * 2**20
"""Size of the series that are transformed together; a few times as much is needed while they are."""


def choose_lags(n_frames: int, max_lags: int = MAX_LAGS) -> NDArray[np.intp]:
    """Lags in frames from 1 to half the run, evenly spread in their logarithm, shape (n_lags,).

    Examples
    --------
    >>> choose_lags(20, 5)
    array([ 1,  2,  3,  6, 10])
    """
    return np.unique(np.round(np.geomspace(1, n_frames // 2, max_lags)).astype(np.intp))


def msd_components(series_ang: NDArray[np.float64], lags: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean squared displacement tensor of each series.

    Parameters
    ----------
    series_ang : (n_ions, 3, n_frames)
        Displacements.
    lags : (n_lags,)
        Lags in frames, rising, each below n_frames.

    Returns
    -------
    (n_ions, 6, n_lags)
        Components in the order of :data:`PAIRS`, Å²; the first three sum to the MSD.
    """
    n_frames = series_ang.shape[-1]
    step = max(1, int(FFT_BYTES // (n_frames * 24)))
    parts = [_msd_of_some(series_ang[k : k + step], lags) for k in range(0, len(series_ang), step)]
    return np.concatenate(parts)


def _msd_of_some(series_ang: NDArray[np.float64], lags: NDArray[np.intp]) -> NDArray[np.float64]:
    n_frames = series_ang.shape[-1]
    # The result does not depend on the origin; a centred series keeps the sums free of cancellation.
    centred = series_ang - series_ang.mean(axis=-1, keepdims=True)
    # Zeros for as long as the longest lag keep the ends of the run apart.
    size = fft.next_fast_len(n_frames + int(lags[-1]), real=True)
    spectra = fft.rfft(centred, size, axis=-1)
    result = np.empty((len(series_ang), len(PAIRS), len(lags)))
    total = np.zeros((len(series_ang), n_frames + 1))
    for k, (a, b) in enumerate(PAIRS):
        cross = fft.irfft((spectra[:, a].conj() * spectra[:, b]).real, size, axis=-1)[:, lags]
        np.cumsum(centred[:, a] * centred[:, b], axis=-1, out=total[:, 1:])
        ends = total[:, n_frames - lags] + (total[:, -1:] - total[:, lags])
        result[:, k] = (ends - 2.0 * cross) / (n_frames - lags)
    return result


def fourth_moment(
    series_ang: NDArray[np.float64], lags: NDArray[np.intp], max_origins: int = 2000
) -> NDArray[np.float64]:
    """Mean fourth power of the displacement of all ions, ⟨Δr⁴⟩, shape (n_lags,), Å⁴."""
    n_frames = series_ang.shape[-1]
    result = np.empty(len(lags))
    for k, lag in enumerate(lags):
        origins = np.arange(0, n_frames - lag, max(1, (n_frames - lag) // max_origins))
        squared = ((series_ang[..., origins + lag] - series_ang[..., origins]) ** 2).sum(axis=1)
        result[k] = np.mean(squared**2)
    return result


def block_msd(series_ang: NDArray[np.float64], n_blocks: int, lags: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean squared displacement within each of ``n_blocks`` equal pieces of the run.

    Returns
    -------
    (n_blocks, n_ions, n_lags)
        Å².
    """
    length = series_ang.shape[-1] // n_blocks
    pieces = (series_ang[..., b * length : (b + 1) * length] for b in range(n_blocks))
    return np.stack([msd_components(piece, lags)[:, :3].sum(axis=1) for piece in pieces])


def collective_series(chunks: Iterable[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Sum of the displacements of all ions, from chunks (n_ions, 3, n_frames); shape (3, n_frames)."""
    total: NDArray[np.float64] | None = None
    for chunk in chunks:
        part = chunk.sum(axis=0)
        total = part if total is None else total + part
    if total is None:
        raise ValueError("no series")
    return total
