r"""Metropolis chains of swaps within sublattices.

A trial picks one of all pairs of unlike species on a sublattice, each with the same probability. Their number is fixed
by the composition, so that a swap and its reverse are proposed equally often, and accepting with
:math:`\min(1, e^{-\Delta E / k_B T})` obeys detailed balance.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from disolyte.errors import InputError
from disolyte.thermodynamics.montecarlo.energies import SwapEnergies
from disolyte.thermodynamics.montecarlo.sites import Block, SwapSites
from disolyte.thermodynamics.selection import check_temperature
from disolyte.units import BOLTZMANN_EV_PER_K

CHECKPOINT_S: Final = 30.0
"""Time between checkpoints."""


@dataclass(frozen=True)
class Schedule:
    """How long the chains are.

    Parameters
    ----------
    n_sweeps
        Sweeps of each chain; the energy is recorded after each.
    n_chains
        Independent chains, each from a random distribution of its own.
    trials_per_sweep
        Swaps tried in a sweep; as many as there are sites to swap on if None.
    n_configurations
        Decorrelated configurations of each chain to hand on, at most.
    seed
        Seed of everything random.
    """

    n_sweeps: int = 1000
    n_chains: int = 4
    trials_per_sweep: int | None = None
    n_configurations: int = 1
    seed: int = 0

    def check(self) -> None:
        """Refuse lengths that make no run.

        Raises
        ------
        InputError
            If a length is too small.
        """
        limits = {"n_sweeps": 20, "n_chains": 1, "n_configurations": 0, "seed": 0}
        for name, least in limits.items():
            if getattr(self, name) < least:
                raise InputError(f"{name} of the Monte Carlo is {getattr(self, name)}; it must be at least {least}")
        if self.trials_per_sweep is not None and self.trials_per_sweep < 1:
            raise InputError(f"trials_per_sweep is {self.trials_per_sweep}; it must be at least 1")


@dataclass
class Walk:
    """What the chains have done so far."""

    order: NDArray[np.int64]
    """Site of each slot, shape (n_chains, n_varying)."""
    energies_ev: NDArray[np.float64]
    """Energy after each sweep, shape (n_chains, n_sweeps)."""
    occupations: NDArray[np.int8]
    """Species after each sweep, shape (n_chains, n_sweeps, n_varying)."""
    n_accepted: NDArray[np.int64]
    """Swaps accepted, shape (n_chains,)."""
    n_done: int = 0
    """Sweeps done."""


def run_chains(
    sites: SwapSites,
    energies: SwapEnergies,
    schedule: Schedule,
    *,
    temperature_k: float,
    folder: Path | None = None,
    identity: str = "",
) -> Walk:
    """Run all chains, or go on with those that a killed job left in ``folder``.

    Random numbers depend on seed, chain and sweep alone: a run that was killed ends as if it had not been.

    Parameters
    ----------
    sites
        Sites of the supercell and the species on them.
    energies
        Energies of swaps.
    schedule
        Lengths and seed.
    temperature_k
        Temperature.
    folder
        Folder of the checkpoint; none is written if not given.
    identity
        What else decides the result, such as the model's hash: a checkpoint of another is not used.

    Raises
    ------
    InputError
        If the temperature is not positive, a length is too small, or an energy is not finite.
    """
    schedule.check()
    check_temperature(temperature_k, "the Monte Carlo")
    file = None if folder is None else folder / f"chains-{_fingerprint(sites, schedule, temperature_k, identity)}.npz"
    walk = _resumed(file) or _fresh(sites, schedule)
    pairs = _Pairs.of(sites)
    trials = schedule.trials_per_sweep or sites.n_swapped
    written = time.monotonic()
    while walk.n_done < schedule.n_sweeps:
        _sweep(walk, sites, energies, pairs, trials, schedule.seed, BOLTZMANN_EV_PER_K * temperature_k)
        if file is not None and time.monotonic() - written > CHECKPOINT_S:
            _write(walk, file)
            written = time.monotonic()
    if file is not None:
        _write(walk, file)
    return walk


@dataclass(frozen=True)
class _Pairs:
    """All pairs of slots of unlike species on one sublattice, numbered without a list of them."""

    first: list[Block]
    second: list[Block]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, sites: SwapSites) -> _Pairs:
        blocks = [block for block in sites.blocks if block.sublattice in sites.swapped]
        pairs = [(a, b) for a, b in combinations(blocks, 2) if a.sublattice == b.sublattice]
        return cls([a for a, _ in pairs], [b for _, b in pairs], np.cumsum([a.size * b.size for a, b in pairs]))

    def draw(self, rng: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Pairs of slots, shape (n, 2), all equally likely."""
        numbers = rng.integers(self.ends[-1], size=n)
        which = np.searchsorted(self.ends, numbers, side="right")
        rest = numbers - np.concatenate([[0], self.ends])[which]
        starts = np.array([[a.start, b.start] for a, b in zip(self.first, self.second, strict=True)])[which]
        width = np.array([b.size for b in self.second])[which]
        return starts + np.stack([rest // width, rest % width], axis=1)


def _sweep(
    walk: Walk, sites: SwapSites, energies: SwapEnergies, pairs: _Pairs, trials: int, seed: int, kt_ev: float
) -> None:
    """Advance all chains by one sweep. Energies are summed up anew at its beginning."""
    current = energies.start(sites.occupations(walk.order))
    _check_finite(current, walk.n_done)
    n_chains = len(walk.order)
    chains = np.arange(n_chains)
    generators = [np.random.default_rng([seed, chain, walk.n_done + 1]) for chain in range(n_chains)]
    slots = np.stack([pairs.draw(rng, trials) for rng in generators], axis=1)  # (trials, n_chains, 2)
    thresholds = kt_ev * np.stack([rng.exponential(size=trials) for rng in generators], axis=1)
    for (first, second), threshold in zip(np.moveaxis(slots, -1, 1), thresholds, strict=True):
        sites_first, sites_second = walk.order[chains, first], walk.order[chains, second]
        change = energies.propose(sites_first, sites_second)
        _check_finite(change, walk.n_done)
        accepted = change <= threshold  # the same as a uniform number below exp(-change / kT)
        if accepted.any():
            energies.accept(accepted)
            where = chains[accepted]
            walk.order[where, first[accepted]] = sites_second[accepted]
            walk.order[where, second[accepted]] = sites_first[accepted]
            current[accepted] += change[accepted]
            walk.n_accepted += accepted
    walk.energies_ev[:, walk.n_done] = current
    walk.occupations[:, walk.n_done] = sites.occupations(walk.order)
    walk.n_done += 1


def _check_finite(energies_ev: NDArray[np.float64], n_done: int) -> None:
    if not np.isfinite(energies_ev).all():
        chain = int(np.flatnonzero(~np.isfinite(energies_ev))[0])
        raise InputError(
            f"an energy of chain {chain} is {energies_ev[chain]} in sweep {n_done + 1}: its source does not hold for "
            "this system; use another model or cluster expansion"
        )


def _fresh(sites: SwapSites, schedule: Schedule) -> Walk:
    shape = (schedule.n_chains, schedule.n_sweeps)
    orders = [sites.random_order(np.random.default_rng([schedule.seed, c, 0])) for c in range(schedule.n_chains)]
    for block in sites.blocks:
        if block.sublattice not in sites.swapped:
            for order in orders:
                order[block.start : block.stop] = orders[0][block.start : block.stop]
    return Walk(
        order=np.stack(orders),
        energies_ev=np.full(shape, np.nan),
        occupations=np.zeros((*shape, len(sites.varying)), dtype=np.int8),
        n_accepted=np.zeros(schedule.n_chains, dtype=np.int64),
    )


def _resumed(file: Path | None) -> Walk | None:
    if file is None or not file.exists():
        return None
    with np.load(file) as data:
        return Walk(
            order=data["order"],
            energies_ev=data["energies_ev"],
            occupations=data["occupations"],
            n_accepted=data["n_accepted"],
            n_done=int(data["n_done"]),
        )


def _write(walk: Walk, file: Path) -> None:
    """Write the checkpoint beside the old one, then replace it: a kill leaves one or the other."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.npz")
    np.savez_compressed(
        part,
        order=walk.order,
        energies_ev=walk.energies_ev,
        occupations=walk.occupations,
        n_accepted=walk.n_accepted,
        n_done=np.array(walk.n_done),
    )
    part.replace(file)


def _fingerprint(sites: SwapSites, schedule: Schedule, temperature_k: float, identity: str) -> str:
    content = json.dumps([asdict(schedule), temperature_k, identity, sites.allowed, [asdict(b) for b in sites.blocks]])
    digest = hashlib.sha256(content.encode())
    digest.update(np.ascontiguousarray(sites.lattice_ang).tobytes() + np.ascontiguousarray(sites.frac_coords).tobytes())
    return digest.hexdigest()[:16]
