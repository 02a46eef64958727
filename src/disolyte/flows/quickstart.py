"""The quickstart: a miniature of Li3In(x)Y(1-x)Br(6y)Cl(6-6y) that fits a laptop.

Every stage is real and small: the foundation is the small reference model shipped with the package, the labels come
from CHGNet's r2SCAN weights. Its numbers show that the way is open, not what the material does.
"""

from __future__ import annotations

from typing import Final

from jobflow import Flow

from disolyte.diffusion.makers import DiffusionMaker
from disolyte.diffusion.schedule import LengthRule, MDSchedule
from disolyte.dynamics import MDProtocol, Thermostat
from disolyte.enumeration.makers import EnumerationMaker
from disolyte.finetuning.makers import FinetuneMaker
from disolyte.finetuning.options import FinetuneOptions, ReplayOptions
from disolyte.flows.pipeline import DisorderedElectrolyteFlowMaker
from disolyte.flows.training_set import TrainingSetFlowMaker
from disolyte.labelling.makers import LabelMaker, SurrogateStaticMaker
from disolyte.models import SHIPPED, ModelSource
from disolyte.sampling.frames import FrameChoice
from disolyte.sampling.makers import MaceMDSamplerMaker, SamplingMaker
from disolyte.systems import DisorderedSystem, get_system
from disolyte.thermodynamics.makers import HullSelectionMaker, PhaseDiagramMaker, RankingMaker

FORMULAS: Final = ("Li3InCl6", "Li3InBr6", "Li3YBr6", "Li3In0.5Y0.5Br3Cl3")
"""Compositions of the quickstart: the three end members, and the best conductor of the paper."""

DIFFUSION_FORMULAS: Final = ("Li3InCl6", "Li3YBr6")
"""Compositions whose diffusion is simulated: those the paper compares with AIMD."""


def quickstart_system() -> DisorderedSystem:
    """The lithium halides, on four compositions, in the conventional cell."""
    return get_system("liybc").restricted_to(FORMULAS).model_copy(update={"supercells": [(1, 1, 1)]})


def quickstart_flow_maker() -> DisorderedElectrolyteFlowMaker:
    """The pipeline with the small reference model, surrogate labels and sizes for two cores and minutes."""
    small = ModelSource(name=SHIPPED)
    training_set_maker = TrainingSetFlowMaker(
        enumeration_maker=EnumerationMaker(n_lowest=30, n_diverse=30),
        ranking_maker=RankingMaker(foundation=small, n_candidates=20),
        selection_maker=HullSelectionMaker(n_select=12),
        sampling_maker=SamplingMaker(
            sampler=MaceMDSamplerMaker(
                foundation=small,
                protocol=MDProtocol(
                    temperature_k=800.0, time_step_fs=2.0, n_steps=500, thermostat=Thermostat.BUSSI, record_every=10
                ),
                frames=FrameChoice(n_frames=8, discard_ps=0.2),
            ),
            batch_size=6,
            n_wanted=None,
        ),
        label_maker=LabelMaker(static_maker=SurrogateStaticMaker()),
    )
    return DisorderedElectrolyteFlowMaker(
        training_set_maker=training_set_maker,
        finetune_maker=FinetuneMaker(
            foundation=small,
            options=FinetuneOptions(
                max_num_epochs=15,
                patience=6,
                batch_size=5,
                lr=0.005,
                ema_decay=0.97,
                scheduler_patience=3,
                lr_factor=0.6,
                dtype="float32",
            ),
            replay=ReplayOptions(n_frames=50),
        ),
        phase_diagram_maker=PhaseDiagramMaker(dtype="float32"),
        diffusion_maker=DiffusionMaker(
            temperatures_k=(600.0, 700.0, 800.0),
            supercell=(2, 1, 1),
            schedule=MDSchedule(
                lengths=LengthRule.uniform(length_ps=16.0, discard_ps=1.0),
                time_step_fs=2.0,
                thermostat=Thermostat.BUSSI,
                record_interval_fs=20.0,
            ),
        ),
        diffusion_formulas=list(DIFFUSION_FORMULAS),
    )


def quickstart_flow() -> Flow:
    """The flow of the quickstart."""
    return quickstart_flow_maker().make(quickstart_system())
