"""Drawing structures by their Boltzmann weight above the hull."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disolyte.errors import InputError
from disolyte.units import BOLTZMANN_EV_PER_K


def boltzmann_probabilities(e_hull_ev_per_fu: ArrayLike, temperature_k: float) -> NDArray[np.float64]:
    r"""Probabilities :math:`p_i \propto \exp(-E_i / k_B T)`.

    Parameters
    ----------
    e_hull_ev_per_fu
        Energies above the hull, per formula unit, shape (n,).
    temperature_k
        Temperature.

    Returns
    -------
    ndarray
        Probabilities, shape (n,), that add up to 1.

    Raises
    ------
    InputError
        If the temperature is not positive, or an energy is not finite.

    Examples
    --------
    >>> boltzmann_probabilities([0.0, 0.0], 800.0)
    array([0.5, 0.5])
    """
    log_weights = _log_weights(e_hull_ev_per_fu, temperature_k)
    weights = np.exp(log_weights - log_weights.max(initial=-np.inf))
    return weights / weights.sum()


def draw_structures(
    e_hull_ev_per_fu: ArrayLike,
    *,
    n_select: int,
    temperature_k: float,
    seed: int,
    always: Sequence[int] = (),
) -> list[int]:
    r"""Draw structures one after the other, without replacement.

    Each draw takes one of the structures that are left with probability :math:`\propto \exp(-E_i / k_B T)`. The
    structures in ``always`` are taken beforehand and count towards ``n_select``.

    Parameters
    ----------
    e_hull_ev_per_fu
        Energies above the hull, per formula unit, shape (n,).
    n_select
        Structures to take in all. Fewer are returned where there are not so many, more where ``always`` holds more.
    temperature_k
        Temperature.
    seed
        Seed of the draw.
    always
        Indices of the structures that are in whatever their energy.

    Returns
    -------
    list of int
        Indices in ascending order.

    Raises
    ------
    InputError
        If the temperature or ``n_select`` is not positive, or an energy is not finite.

    Notes
    -----
    Adding independent Gumbel noise to the logarithms of the weights and keeping the largest is the same as drawing
    one after the other [1]_, and does not underflow however high an energy lies.

    References
    ----------
    .. [1] W. Kool, H. van Hoof, M. Welling, Proc. ICML 2019, PMLR 97, 3499.
    """
    if n_select < 1:
        raise InputError(f"n_select is {n_select}; at least 1 structure must be asked for")
    keys = _log_weights(e_hull_ev_per_fu, temperature_k)
    keys = keys + np.random.default_rng(seed).gumbel(size=keys.shape)
    taken = list(dict.fromkeys(int(index) for index in always))
    keys[taken] = np.inf
    n_taken = max(min(n_select, keys.size), len(taken))
    return sorted(int(index) for index in np.argsort(-keys, kind="stable")[:n_taken])


def check_temperature(temperature_k: float, purpose: str) -> None:
    """Refuse a temperature that is not positive.

    Raises
    ------
    InputError
        Naming the purpose and the value.
    """
    if not (math.isfinite(temperature_k) and temperature_k > 0):
        raise InputError(f"the temperature of {purpose} is {temperature_k} K; it must be positive")


def _log_weights(e_hull_ev_per_fu: ArrayLike, temperature_k: float) -> NDArray[np.float64]:
    check_temperature(temperature_k, "the selection")
    energies = np.asarray(e_hull_ev_per_fu, dtype=float)
    bad = np.flatnonzero(~np.isfinite(energies))
    if bad.size:
        raise InputError(
            f"the energies above the hull of structures {bad.tolist()[:10]} are not finite; leave them out"
        )
    return -energies / (BOLTZMANN_EV_PER_K * temperature_k)
