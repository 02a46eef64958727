"""Jobs and flow that train a committee, judge it, and let it choose frames."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import ClassVar, Final

import numpy as np
from jobflow import Flow, Job, JobConfig, Maker, OnMissing, job

from disolyte.blobs import PAYLOAD_KEY, Blob
from disolyte.errors import FinetuningError, InputError
from disolyte.finetuning.committee.assessment import check_members, judge_committee, ranking_caveats
from disolyte.finetuning.committee.last_layer import attach_heads, describe_energies, draw_offsets
from disolyte.finetuning.committee.pool import choose_uncertain
from disolyte.finetuning.committee.predictor import Committee
from disolyte.finetuning.committee.schema import CommitteeDoc, LastLayerHeads, UncertainFramesDoc
from disolyte.finetuning.committee.selection import UncertainFrameChoice
from disolyte.finetuning.makers import FinetuneMaker
from disolyte.finetuning.metrics import compare
from disolyte.labelling.schema import DatasetDoc
from disolyte.models.loading import load_model
from disolyte.models.schema import ModelDoc, ModelIdentity
from disolyte.sampling.schema import FrameBatch, SampleDoc
from disolyte.workers.records import describe_job
from disolyte.workers.roles import Role

_SURVIVES_FAILURES: Final = JobConfig(on_missing_references=OnMissing.NONE)


@dataclass
class CommitteeMaker(Maker):
    """Judge a committee of models: how far they are apart on the test frames, and what that says of their errors.

    Parameters
    ----------
    name
        Name of the job.
    min_members
        Members that must have been trained; the job fails below.
    device
        torch device.
    dtype
        Precision to predict in, "float32" or "float64".
    """

    name: str = "assess committee"
    min_members: int = 2
    device: str = "cpu"
    dtype: str = "float64"
    role: ClassVar[Role] = Role.GPU

    def __post_init__(self) -> None:
        """Refuse a number that makes no committee, before any job exists."""
        if self.min_members < 2:
            raise InputError(f"min_members={self.min_members}: a committee has at least 2 members")

    @job(data=[PAYLOAD_KEY], output_schema=CommitteeDoc, config=_SURVIVES_FAILURES)
    def make(self, members: list[ModelDoc | None], dataset: DatasetDoc) -> CommitteeDoc:
        """Judge ``members`` on the validation and test frames of ``dataset``.

        Parameters
        ----------
        members
            Models that differ by their seeds; None where training failed.
        dataset
            The dataset that they were trained on.

        Raises
        ------
        FinetuningError
            If too few members were trained.
        InputError
            If members were trained on other data or for other elements, or are the same.
        """
        found = [member for member in members if member is not None]
        n_failed = len(members) - len(found)
        if n_failed and len(found) < self.min_members:
            raise FinetuningError(
                f"{n_failed} of {len(members)} members were not trained, {self.min_members} are needed: see the "
                "tracebacks of their jobs, and run them again"
            )
        check_members(found, dataset.dataset_sha256)
        committee = Committee([load_model(member, device=self.device, dtype=self.dtype) for member in found])
        caveats = [f"{n_failed} of {len(members)} members of the committee were not trained"] if n_failed else []
        judged = judge_committee(committee, found, dataset)
        caveats += ranking_caveats([judged["energies"], judged["forces"]])
        return CommitteeDoc(
            **describe_job([dataset, *found], caveats=caveats),
            **judged,
            n_failed=n_failed,
        )


@dataclass
class LastLayerCommitteeMaker(Maker):
    """Make a committee of one model without training: heads whose last layers are drawn from what the data leave open.

    It costs one pass over the training frames. Errors of the layers before the last are seen only as far as frames have
    features unlike those of the training frames; see :mod:`disolyte.finetuning.committee.last_layer`.

    Parameters
    ----------
    name
        Name of the job.
    n_heads
        Number of heads.
    ridge
        Smallest curvature of the fit of the last layers, as a part of the mean one.
    device
        torch device.
    dtype
        Precision to predict in, "float32" or "float64".
    seed
        Seed of the draw.
    """

    name: str = "draw committee of last layers"
    n_heads: int = 8
    ridge: float = 1e-4
    device: str = "cpu"
    dtype: str = "float64"
    seed: int = 0
    role: ClassVar[Role] = Role.GPU

    def __post_init__(self) -> None:
        """Refuse what makes no committee, before any job exists."""
        if self.n_heads < 2 or self.ridge <= 0:
            raise InputError(f"n_heads={self.n_heads} must be at least 2, and ridge={self.ridge} positive")

    @job(data=[PAYLOAD_KEY], output_schema=CommitteeDoc)
    def make(self, model: ModelDoc, dataset: DatasetDoc) -> CommitteeDoc:
        """Draw heads of ``model`` and judge them on the validation and test frames of ``dataset``.

        Parameters
        ----------
        model
            A trained model.
        dataset
            The dataset that it was trained on.

        Raises
        ------
        InputError
            If the model was trained on other data.
        """
        check_members([model], dataset.dataset_sha256)
        loaded = load_model(model, device=self.device, dtype=self.dtype)
        trained = dataset.to_atoms("train")
        offsets = draw_offsets(
            describe_energies(loaded, trained),
            np.subtract(*compare(loaded, trained).energies_ev_per_atom),
            n_heads=self.n_heads,
            ridge=self.ridge,
            seed=self.seed,
        )
        committee = Committee(attach_heads(loaded, offsets))
        judged = judge_committee(committee, [model] * self.n_heads, dataset)
        caveats = ranking_caveats([judged["energies"], judged["forces"]])
        return CommitteeDoc(
            **describe_job([dataset, model], seed=self.seed, caveats=caveats),
            **judged,
            last_layer=LastLayerHeads(model=model.identity, offsets=Blob.from_array(offsets), ridge=self.ridge),
        )


@dataclass
class CommitteeFlowMaker(Maker):
    """Fine-tune several models that differ by their seeds, and judge them as a committee.

    The seeds decide on the order of the training frames and on the replay frames. Members that start from one
    foundation are alike in what they took from it, so that their spread alone is too small; the scale that is fitted on
    the validation frames makes up for it.

    Parameters
    ----------
    name
        Name of the flow.
    finetune_maker
        Trains a member; the first has its seed, each next one a seed one higher.
    committee_maker
        Judges them.
    n_members
        Number of members.
    """

    name: str = "committee"
    finetune_maker: FinetuneMaker = field(default_factory=FinetuneMaker)
    committee_maker: CommitteeMaker = field(default_factory=CommitteeMaker)
    n_members: int = 4

    def __post_init__(self) -> None:
        """Refuse numbers that make no committee, before any job exists."""
        if self.n_members < self.committee_maker.min_members:
            raise InputError(
                f"n_members={self.n_members} is less than the {self.committee_maker.min_members} that are needed; "
                "give at least 2, better 4"
            )

    def make(self, dataset: DatasetDoc, model: ModelDoc | None = None) -> Flow:
        """Make the flow.

        Parameters
        ----------
        dataset
            Labelled frames, split.
        model
            Model to start from instead of the foundation of ``finetune_maker``.

        Returns
        -------
        Flow
            Its output holds references to the ``members`` (list of ModelDoc) and the ``committee`` (CommitteeDoc).
        """
        jobs: list[Job] = []
        for number in range(self.n_members):
            member = replace(self.finetune_maker, seed=self.finetune_maker.seed + number)
            jobs.append(member.make(dataset, model))
            jobs[-1].append_name(f" {number + 1}/{self.n_members}", dynamic=False)
        members = [member_job.output for member_job in jobs]
        assess = self.committee_maker.make(members, dataset)
        output = {"members": members, "committee": assess.output}
        return Flow([*jobs, assess], output=output, name=self.name)


@dataclass
class UncertainFramesMaker(Maker):
    """Let a committee choose the frames of a pool that are to be labelled next.

    Parameters
    ----------
    name
        Name of the job.
    choice
        How many frames are taken, and by what.
    device
        torch device.
    dtype
        Precision to predict in, "float32" or "float64".
    batch_size
        Frames in one pass.
    """

    name: str = "choose uncertain frames"
    choice: UncertainFrameChoice = field(default_factory=UncertainFrameChoice)
    device: str = "cpu"
    dtype: str = "float32"
    batch_size: int = 32
    role: ClassVar[Role] = Role.GPU

    @job(data=[PAYLOAD_KEY], output_schema=UncertainFramesDoc)
    def make(
        self, committee: CommitteeDoc, members: list[ModelDoc], pool: SampleDoc | FrameBatch | list[SampleDoc]
    ) -> UncertainFramesDoc:
        """Rank the frames of ``pool`` and choose from them.

        ``output.frames`` is what a :class:`~disolyte.labelling.makers.LabelMaker` takes.

        Parameters
        ----------
        committee
            The committee, with its scales.
        members
            Models that its members are among; of heads of one model, that model.
        pool
            Unlabelled frames. Those trained on are not recognised: a committee has the hash of its dataset alone.
            Leave them out, or they are labelled again (the quality gate then sets them aside as duplicates).

        Raises
        ------
        InputError
            If the pool is empty, no frame lies within the limits, or a member is missing.
        ModelCoverageError
            If the members were not made for an element.
        """
        samples = [item for item in (pool if isinstance(pool, list) else [pool]) if isinstance(item, SampleDoc)]
        batch = pool if isinstance(pool, FrameBatch) else FrameBatch.concatenate([item.frames for item in samples])
        if not len(batch):
            raise InputError("the pool holds no frames; look at the verdicts of the MD runs that should have made them")
        predictor = Committee.load(committee, members, device=self.device, dtype=self.dtype)
        return UncertainFramesDoc(
            **describe_job([committee, *samples]),
            **choose_uncertain(predictor, batch, self.choice, batch_size=self.batch_size),
            committee=[ModelIdentity(name=member.name, sha256=member.sha256) for member in committee.members],
        )
