"""What the jumps of a run say: rates between kinds of sites, residence times, jumps in concert, and passages."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from scipy import stats

from disolyte.diffusion.jumps import Jumps
from disolyte.records import Record

CONCERT_FS: Final = 500.0
"""Two jumps within this time may be one event."""

CONCERT_ANG: Final = 5.0
"""Two jumps that start or end within this distance may be one event."""

N_SHIFTS: Final = 40
"""Random shifts in time by which chance coincidences are counted."""

N_RESAMPLES: Final = 400


class JumpRate(Record):
    """Jumps from one kind of site to another."""

    model_config = ConfigDict(frozen=True)

    start: str = Field(description="Label of the site that is left.")
    end: str = Field(description="Label of the site that is reached.")
    n_jumps: int = Field(description="Jumps seen.")
    rate_per_ps: float = Field(description="Jumps per time that an ion spends on a site of the first kind.")
    rate_ci95_per_ps: tuple[float, float] = Field(description="95 % interval, by Poisson's distribution.")


class Residence(Record):
    """Stays on one kind of site."""

    model_config = ConfigDict(frozen=True)

    label: str = Field(description="Label of the sites.")
    n_sites: int = Field(description="Such sites in the host's cell.")
    ions_per_site: float = Field(description="Mean number of ions on one of them.")
    n_departures: int = Field(description="Jumps away from them.")
    time_ps: float | None = Field(description="Mean length of a stay; None if no ion left.")
    time_ci95_ps: tuple[float, float | None] = Field(description="95 % interval; no upper end if no ion left.")


class Concert(Record):
    """Jumps of different ions close in time and space."""

    model_config = ConfigDict(frozen=True)

    n_jumps: int = Field(description="All jumps.")
    n_pairs: int = Field(description="Pairs of jumps within the limits.")
    n_pairs_by_chance: float = Field(description="The same with the jumps of each ion shifted at random in time.")
    n_pairs_by_chance_std: float = Field(description="Its scatter over shifts.")
    share: float = Field(description="Share of the jumps that have such a partner.")
    share_by_chance: float = Field(description="The same with shifted jumps.")
    time_fs: float = Field(description="Limit in time.")
    distance_ang: float = Field(description="Limit in distance.")


class Passage(Record):
    """Ways from one visit of a kind of site to the next, that end elsewhere than they began."""

    model_config = ConfigDict(frozen=True)

    path: str = Field(description="Kinds of sites on the way, such as 4h–4g–4h.")
    name: str = Field(description="intraplane for a direct way, interplane for one by way of another kind.")
    n_passages: int = Field(description="Ways seen.")
    share: float = Field(description="Share of all such ways.")
    share_ci95: tuple[float, float] = Field(description="95 % interval by resampling ions.")
    n_returns: int = Field(description="Ways that led back to where they began; not in the share.")


def jump_rates(jumps: Jumps) -> list[JumpRate]:
    """Jump matrix between labels, with rates; pairs of labels without a jump have a limit for a rate."""
    names, label = _labels(jumps)
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (label[jumps.start], label[jumps.end]), 1)
    spent = _time_on_labels(jumps, label, len(names)).sum(axis=0)
    result = []
    for a, start in enumerate(names):
        for b, end in enumerate(names):
            if spent[a] == 0:
                continue
            n = int(counts[a, b])
            low, high = _poisson_ci95(n)
            interval = (low / spent[a], high / spent[a])
            result.append(
                JumpRate(start=start, end=end, n_jumps=n, rate_per_ps=n / spent[a], rate_ci95_per_ps=interval)
            )
    return result


def residences(jumps: Jumps, occupancy: NDArray[np.float64]) -> list[Residence]:
    """Mean stay on each kind of site: time spent over departures, which stays cut off by the run's end do not bias.

    Parameters
    ----------
    jumps
        All jumps.
    occupancy : (n_sites,)
        Mean number of ions on each site of the host's cell.
    """
    names, label = _labels(jumps)
    spent = _time_on_labels(jumps, label, len(names)).sum(axis=0)
    left = np.bincount(label[jumps.start], minlength=len(names))
    result = []
    for k, name in enumerate(names):
        n_sites, n = int((label == k).sum()), int(left[k])
        low, high = _poisson_ci95(n)
        result.append(
            Residence(
                label=name,
                n_sites=n_sites,
                ions_per_site=float(occupancy[label == k].sum() / n_sites),
                n_departures=n,
                time_ps=float(spent[k] / n) if n else None,
                time_ci95_ps=(float(spent[k] / high), float(spent[k] / low) if n else None),
            )
        )
    return result


def concert(jumps: Jumps, ends_ang: NDArray[np.float64], cell_ang: NDArray[np.float64], seed: int = 0) -> Concert:
    """Count jumps of different ions that come close together, and how many would by chance.

    Parameters
    ----------
    jumps
        All jumps.
    ends_ang : (n_jumps, 2, 3)
        Where each jump starts and ends, in the simulated cell.
    cell_ang : (3, 3)
        The simulated cell.
    seed
        Seed of the random shifts.
    """
    window = max(1, round(CONCERT_FS / jumps.frame_interval_fs))
    ends = ends_ang @ np.linalg.inv(cell_ang)
    rng = np.random.default_rng(seed)
    pairs, share = _coincidences(jumps.frame, jumps.ion, ends, cell_ang, window)
    shifted = []
    for _ in range(N_SHIFTS):
        moved = (jumps.frame + rng.integers(0, jumps.n_frames, jumps.n_ions)[jumps.ion]) % jumps.n_frames
        shifted.append(_coincidences(moved, jumps.ion, ends, cell_ang, window))
    chance = np.array(shifted, dtype=float)
    return Concert(
        n_jumps=len(jumps.ion),
        n_pairs=int(pairs),
        n_pairs_by_chance=float(chance[:, 0].mean()),
        n_pairs_by_chance_std=float(chance[:, 0].std()),
        share=float(share),
        share_by_chance=float(chance[:, 1].mean()),
        time_fs=CONCERT_FS,
        distance_ang=CONCERT_ANG,
    )


def passages(jumps: Jumps, hub: str, seed: int = 0) -> list[Passage]:
    """Ways from one visit of ``hub`` to the next, by the kinds of sites in between.

    For the lithium halides with hub 4h: 4h–4h stays in the plane of the lithium ions, 4h–4g–4h leaves it.
    """
    host = jumps.without_interstitials()
    seen: dict[str, NDArray[np.int64]] = {}
    back: dict[str, int] = {}
    for ion in np.unique(host.ion):
        for path, returned in _ways(host, np.flatnonzero(host.ion == ion), hub):
            seen.setdefault(path, np.zeros(jumps.n_ions, dtype=np.int64))
            back[path] = back.get(path, 0) + int(returned)
            seen[path][ion] += int(not returned)
    if not seen:
        return []
    paths = sorted(seen, key=lambda path: -int(seen[path].sum()))
    table = np.stack([seen[path] for path in paths])
    rng = np.random.default_rng(seed)
    draws = table[:, rng.integers(0, jumps.n_ions, (N_RESAMPLES, jumps.n_ions))].sum(axis=2)
    shares = draws / np.maximum(draws.sum(axis=0), 1)
    low, high = np.percentile(shares, [2.5, 97.5], axis=1)
    total = max(int(table.sum()), 1)
    return [
        Passage(
            path=path,
            name="intraplane" if path.count("–") == 1 else "interplane",
            n_passages=int(table[k].sum()),
            share=float(table[k].sum() / total),
            share_ci95=(float(low[k]), float(high[k])),
            n_returns=back[path],
        )
        for k, path in enumerate(paths)
    ]


def _ways(jumps: Jumps, mine: NDArray[np.intp], hub: str) -> list[tuple[str, bool]]:
    """Ways of one ion, and whether each led back to the same site."""
    result = []
    cell = np.zeros(3, dtype=np.intp)
    start: tuple[int, ...] | None = None
    between: list[str] = []
    if len(mine) and jumps.labels[jumps.start[mine[0]]] == hub:
        start = (int(jumps.start[mine[0]]), 0, 0, 0)
    for k in mine:
        cell = cell + jumps.shift[k]
        label = jumps.labels[jumps.end[k]]
        if label != hub:
            if label not in between:
                between.append(label)
            continue
        here = (int(jumps.end[k]), *map(int, cell))
        if start is not None:
            result.append(("–".join([hub, *between, hub]), here == start))
        start, between = here, []
    return result


def _labels(jumps: Jumps) -> tuple[list[str], NDArray[np.intp]]:
    names = sorted(set(jumps.labels))
    return names, np.array([names.index(label) for label in jumps.labels], dtype=np.intp)


def _time_on_labels(jumps: Jumps, label: NDArray[np.intp], n: int) -> NDArray[np.float64]:
    """Time of each ion on each kind of site, ps, shape (n_ions, n_labels)."""
    times = np.zeros((jumps.n_ions, n))
    np.add.at(times.T, label, jumps.frames_on_site.T * jumps.frame_interval_fs / 1000)
    return times


def _poisson_ci95(n: int) -> tuple[float, float]:
    """Exact 95 % interval of the mean of a Poisson count."""
    low = float(stats.chi2.ppf(0.025, 2 * n) / 2) if n else 0.0
    return low, float(stats.chi2.ppf(0.975, 2 * (n + 1)) / 2)


def _coincidences(
    frame: NDArray[np.intp],
    ion: NDArray[np.intp],
    ends_fractional: NDArray[np.float64],
    cell_ang: NDArray[np.float64],
    window: int,
) -> tuple[int, float]:
    """Pairs of jumps of different ions within the limits, and the share of jumps that have a partner."""
    order = np.argsort(frame, kind="stable")
    sorted_frame, n = frame[order], len(frame)
    has_partner, n_pairs = np.zeros(n, dtype=bool), 0
    for gap in range(1, n):
        close = np.flatnonzero(sorted_frame[gap:] - sorted_frame[:-gap] <= window)
        if not len(close):
            break
        first, second = order[close], order[close + gap]
        differ = ion[first] != ion[second]
        first, second = first[differ], second[differ]
        difference = ends_fractional[first][:, :, None] - ends_fractional[second][:, None]
        difference -= np.round(difference)
        near = (np.linalg.norm(difference @ cell_ang, axis=-1) <= CONCERT_ANG).any(axis=(1, 2))
        has_partner[first[near]] = has_partner[second[near]] = True
        n_pairs += int(near.sum())
    return n_pairs, float(has_partner.mean()) if n else 0.0
