"""Training, validation and test sets that share no structure family."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import ConfigDict, Field

from disolyte.errors import DatasetError
from disolyte.labelling.schema import Split
from disolyte.records import Record

MIN_FAMILIES: Final = 3
"""Fewest families that can be split: one each for training, validation and test."""


class SplitFractions(Record):
    """Shares of the frames that go to validation and test; the rest is for training."""

    model_config = ConfigDict(frozen=True)

    valid: float = Field(default=0.1, gt=0, lt=0.5, description="Share of the frames for validation.")
    test: float = Field(default=0.1, gt=0, lt=0.5, description="Share of the frames for the test.")


@dataclass(frozen=True)
class Family:
    """Frames that may not be separated.

    Parameters
    ----------
    name
        Structure family.
    composition
        Reduced formula.
    n_frames
        Number of frames.
    """

    name: str
    composition: str
    n_frames: int


def split_families(
    families: Sequence[Family], fractions: SplitFractions, *, seed: int, kept: Mapping[str, Split] | None = None
) -> dict[str, Split]:
    """Assign each family to one split, alike over compositions.

    The test set is drawn first, then the validation set. Families are taken one by one from the composition that has
    the smallest share in the split so far, sparing compositions that would be left without a training family, until
    another family would overshoot the wanted number of frames by more than it is short. At least one family goes to
    each split. Ties are broken by a hash of seed and name: the order of ``families`` does not matter.

    Parameters
    ----------
    families
        Families with distinct names.
    fractions
        Wanted shares of frames.
    seed
        Seed of the draw.
    kept
        Splits that are settled by family, of an earlier dataset; only the other families are drawn, in the same shares
        of their own frames.

    Returns
    -------
    dict
        Split of each family.

    Raises
    ------
    DatasetError
        If there are fewer than three families.
    """
    settled = {family.name: kept[family.name] for family in families if family.name in kept} if kept else {}
    families = [family for family in families if family.name not in settled]
    if set(settled.values()) == {"train", "valid", "test"} and len(families) < MIN_FAMILIES:
        return {**settled, **dict.fromkeys((family.name for family in families), "train")}
    if len(families) < MIN_FAMILIES:
        names = ", ".join(sorted(family.name for family in families)) or "none"
        raise DatasetError(
            f"{len(families)} structure families passed the quality gate ({names}); a split without leakage needs at "
            f"least {MIN_FAMILIES}, one each for training, validation and test: select more structures (n_select of "
            "HullSelectionMaker) and sample each in an MD run of its own; if there are no more orderings, take a "
            "larger supercell (--supercell) or more compositions"
        )
    totals = Counter[str]()
    for family in families:
        totals[family.composition] += family.n_frames
    training = sorted(families, key=lambda family: _draw(seed, family.name))
    assigned: dict[str, Split] = dict(settled)
    parts: tuple[tuple[Split, float, int], ...] = (("test", fractions.test, 2), ("valid", fractions.valid, 1))
    for split, fraction, n_spared in parts:
        taken = _take(training, totals, wanted=fraction * sum(totals.values()), n_spared=n_spared)
        assigned.update(dict.fromkeys((family.name for family in taken), split))
        training = [family for family in training if family.name not in assigned]
    assigned.update(dict.fromkeys((family.name for family in training), "train"))
    return assigned


def _take(pool: Sequence[Family], totals: Mapping[str, int], *, wanted: float, n_spared: int) -> list[Family]:
    """Families for one split, leaving at least ``n_spared`` in the pool."""
    pool, taken = list(pool), list[Family]()
    shares = Counter[str]()
    n_frames = 0
    while len(pool) > n_spared:
        left = Counter(family.composition for family in pool)

        def rank(family: Family, left: Counter[str] = left) -> tuple[bool, float, int]:
            composition = family.composition
            return left[composition] == 1, shares[composition] / totals[composition], -left[composition]

        best = min(pool, key=rank)
        if taken and n_frames + best.n_frames / 2 > wanted:
            break
        pool.remove(best)
        taken.append(best)
        shares[best.composition] += best.n_frames
        n_frames += best.n_frames
    return taken


def _draw(seed: int, name: str) -> str:
    return hashlib.sha256(f"{seed}:{name}".encode()).hexdigest()
