"""From a disordered system to a labelled, split dataset."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobflow import Flow, Maker
from pymatgen.core import Structure

from disolyte.enumeration.holding import find_holding_spaces
from disolyte.enumeration.makers import EnumerationMaker
from disolyte.enumeration.space import OrderingSpace
from disolyte.errors import CompositionError
from disolyte.labelling.makers import DatasetMaker, LabelMaker
from disolyte.labelling.splits import MIN_FAMILIES
from disolyte.models import ModelSource
from disolyte.models.coverage import check_coverage
from disolyte.sampling.makers import SamplingMaker
from disolyte.systems import DisorderedSystem, disordered_structure
from disolyte.thermodynamics.makers import HullSelectionMaker, RankingMaker


@dataclass
class TrainingSetFlowMaker(Maker):
    """Enumerate, rank, select, sample, label: a dataset that represents a disordered system.

    Parameters
    ----------
    name
        Name of the flow.
    enumeration_maker
        Enumerates the orderings of one composition.
    ranking_maker
        Ranks them with the foundation model.
    selection_maker
        Selects structures of all compositions by their Boltzmann weight above the hull.
    sampling_maker
        Samples frames from MD of the selected structures, in bounded batches.
    label_maker
        Labels the frames.
    dataset_maker
        Checks and splits the labels.
    """

    name: str = "training set"
    enumeration_maker: EnumerationMaker = field(default_factory=EnumerationMaker)
    ranking_maker: RankingMaker = field(default_factory=RankingMaker)
    selection_maker: HullSelectionMaker = field(default_factory=HullSelectionMaker)
    sampling_maker: SamplingMaker = field(default_factory=SamplingMaker)
    label_maker: LabelMaker = field(default_factory=LabelMaker)
    dataset_maker: DatasetMaker = field(default_factory=DatasetMaker)

    def make(self, system: DisorderedSystem) -> Flow:
        """Make the flow.

        Parameters
        ----------
        system
            The disordered system. It is checked before any job exists.

        Returns
        -------
        Flow
            Its output holds references to the ``rankings`` (list of RankedEnergiesDoc, one per grid point), the
            ``selection`` (SelectionDoc) and the ``dataset`` (DatasetDoc).

        Raises
        ------
        CompositionError
            If the grid is empty, the end members do not span it or are not on it, no supercell can hold a composition,
            or all compositions together have too few distinct orderings for a split.
        OxidationStateError
            If a composition is not neutral.
        ModelCoverageError
            If the foundation model was not made for an element.
        """
        system.check()
        for maker in (self.ranking_maker, self.sampling_maker.sampler):
            if isinstance(maker.foundation, ModelSource):  # of other force fields only their jobs know the elements
                check_coverage(maker.foundation, system.elements)
        end_members = _find_end_members(system)
        jobs, rankings = [], []
        n_orderings = 0
        for point in system.points():
            disordered, charges = disordered_structure(system, point), system.charges_at(point.coordinates)
            spaces = self._holding_spaces(disordered, system, charges)
            n_orderings += sum(map(_least_distinct, spaces.values()))
            enumerate_job = self.enumeration_maker.make(
                disordered,
                point=point,
                supercells=[system.supercells[index] for index in spaces],
                oxidation_states=charges,
                system_key=system.key,
            )
            rank_job = self.ranking_maker.make(enumerate_job.output)
            for job in (enumerate_job, rank_job):
                job.append_name(f" {point.formula}")
            jobs += [enumerate_job, rank_job]
            rankings.append(rank_job.output)
        _check_orderings(system, n_orderings)
        select = self.selection_maker.make(rankings, end_members)
        sample = self.sampling_maker.make(select.output)
        label = self.label_maker.make(sample.output)
        dataset = self.dataset_maker.make(label.output)
        output = {"rankings": rankings, "selection": select.output, "dataset": dataset.output}
        return Flow([*jobs, select, sample, label, dataset], output=output, name=f"{self.name} {system.key}")

    def _holding_spaces(
        self, disordered: Structure, system: DisorderedSystem, charges: dict[str, float]
    ) -> dict[int, OrderingSpace]:
        """Orderings in the supercells that can hold a composition; refuses one that none holds here, not in a job."""
        maker = self.enumeration_maker
        return find_holding_spaces(
            disordered,
            system.supercells,
            symprec=maker.symprec,
            rounding=maker.rounding,
            pool=maker.pool,
            oxidation_states=charges,
        )


def _find_end_members(system: DisorderedSystem) -> list[str]:
    """Formulas of the end members, all of which must be among the compositions: the hull hangs on their energies."""
    asked = {point.formula for point in system.points()}
    end_members = [point.formula for point in system.end_member_points()]
    missing = [formula for formula in end_members if formula not in asked]
    if missing:
        raise CompositionError(
            f"the end members {missing} of {system.key!r} are not among the compositions asked for, {sorted(asked)}; "
            "energies are told from theirs: ask for them, too (--composition)"
        ).at("grid")
    return end_members


def _least_distinct(space: OrderingSpace) -> int:
    """Number of distinct orderings where it is small; of many, only that there are enough, which costs no count."""
    at_least = space.n_raw // space.group_order
    return at_least if at_least >= MIN_FAMILIES else space.n_distinct


def _check_orderings(system: DisorderedSystem, n_orderings: int) -> None:
    if n_orderings < MIN_FAMILIES:
        cells = ", ".join("×".join(map(str, supercell)) for supercell in system.supercells)
        raise CompositionError(
            f"all compositions of {system.key!r} together have {n_orderings} distinct orderings in the supercells "
            f"{cells}; training, validation and test take at least {MIN_FAMILIES}: take a larger supercell "
            "(--supercell), or more compositions"
        ).at("supercells")
