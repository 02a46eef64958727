"""How many frames each composition and each run gives, so that a sample of the wanted size is even."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

MARGIN = 1.2
"""Frames asked of a run over its share, to make up for runs that are given up."""


def share_out(capacities: Sequence[int], total: int) -> list[int]:
    """Share ``total`` out as evenly as the capacities allow; all of them if they do not suffice.

    Parameters
    ----------
    capacities
        Most that each can take.
    total
        What is shared out.

    Examples
    --------
    >>> share_out([2, 10, 10], 12)
    [2, 5, 5]
    >>> share_out([1, 1], 5)
    [1, 1]
    """
    shares = [0] * len(capacities)
    for n_served, i in enumerate(sorted(range(len(capacities)), key=capacities.__getitem__)):
        shares[i] = min(capacities[i], total // (len(capacities) - n_served))
        total -= shares[i]
    return shares


def frames_per_run(compositions: Sequence[str], n_wanted: int, n_available: int) -> int:
    """Frames to ask of every run, so that each composition can fill its share of the sample.

    Parameters
    ----------
    compositions
        Composition of each run.
    n_wanted
        Frames wanted of all.
    n_available
        Most that one run can give.
    """
    n_runs = {composition: compositions.count(composition) for composition in dict.fromkeys(compositions)}
    shares = share_out([runs * n_available for runs in n_runs.values()], n_wanted)
    needed = max(share / runs for share, runs in zip(shares, n_runs.values(), strict=True))
    return max(1, min(n_available, round(MARGIN * needed + 0.5)))


def stratify(compositions: Sequence[str], families: Sequence[str], n_wanted: int) -> list[int]:
    """Indices of ``n_wanted`` frames, as many of each composition as of any other, and so with families within them.

    Of each family, the first frames are taken. Where a composition or family has too few, the others fill up.

    Parameters
    ----------
    compositions, families
        Composition and family of each frame.
    n_wanted
        Number of frames; all are taken if there are fewer.
    """
    members: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, (composition, family) in enumerate(zip(compositions, families, strict=True)):
        members[composition][family].append(index)
    sizes = [sum(len(frames) for frames in of_family.values()) for of_family in members.values()]
    chosen: list[int] = []
    for of_family, share in zip(members.values(), share_out(sizes, n_wanted), strict=True):
        taken = share_out([len(frames) for frames in of_family.values()], share)
        for frames, n in zip(of_family.values(), taken, strict=True):
            chosen += frames[:n]
    return sorted(chosen)
