"""The whole pipeline, as short as its stages allow; two batches of MD, three chunks of labels."""

from disolyte.diffusion.schedule import LengthRule
from disolyte.flows.quickstart import quickstart_flow_maker
from disolyte.systems import get_system

FORMULAS = ["Li3InCl6", "Li3InBr6", "Li3YBr6"]


def miniature_maker():
    """Maker of the pipeline."""
    maker = quickstart_flow_maker()
    training = maker.training_set_maker
    training.enumeration_maker.n_lowest, training.enumeration_maker.n_diverse = 4, 2
    training.ranking_maker.n_candidates = 4
    training.selection_maker.n_select = 5
    training.sampling_maker.batch_size = 3
    training.label_maker.chunk_size = 8
    sampler = training.sampling_maker.sampler
    sampler.protocol = sampler.protocol.model_copy(update={"n_steps": 30, "record_every": 5})
    sampler.frames = sampler.frames.model_copy(update={"n_frames": 4, "discard_ps": 0.01})
    maker.finetune_maker.options = maker.finetune_maker.options.model_copy(update={"max_num_epochs": 1})
    maker.finetune_maker.replay = maker.finetune_maker.replay.model_copy(update={"n_frames": 10})
    maker.diffusion_maker.supercell = (1, 1, 1)
    lengths = LengthRule.uniform(length_ps=0.4, discard_ps=0.1)
    changes = {"lengths": lengths, "record_interval_fs": 10.0}
    maker.diffusion_maker.schedule = maker.diffusion_maker.schedule.model_copy(update=changes)
    maker.diffusion_formulas = ["Li3InCl6"]
    return maker


def miniature_flow():
    """The flow, on the three end members."""
    system = get_system("liybc").restricted_to(FORMULAS).model_copy(update={"supercells": [(1, 1, 1)]})
    return miniature_maker().make(system)
