"""Job that fine-tunes a foundation model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from jobflow import Maker, job

from disolyte.blobs import PAYLOAD_KEY
from disolyte.finetuning.finetune import FinetunedModel, finetune
from disolyte.finetuning.inputs import Frames
from disolyte.finetuning.metrics import compare, head_errors
from disolyte.finetuning.options import REPLAY_HEAD, TARGET_HEAD, FinetuneOptions, ReplayOptions
from disolyte.labelling.schema import DatasetDoc
from disolyte.models.loaded import LoadedModel
from disolyte.models.loading import load_model, select_head
from disolyte.models.schema import ModelDoc, ModelIdentity
from disolyte.models.sources import ModelSource
from disolyte.workers.records import describe_job, take_over
from disolyte.workers.roles import Role

FOLDER = "training"
"""Folder of the training run inside the job's folder."""


@dataclass
class FinetuneMaker(Maker):
    """Fine-tune a foundation model on a dataset with two heads: one for the labels, one that keeps the foundation.

    Parameters
    ----------
    name
        Name of the job.
    foundation
        Foundation model, where ``make`` is given none. Default: MACE-MP-0a medium.
    options
        Epochs, patience, learning rate and the like.
    replay
        Number and distortion of the frames that the foundation labels for its own head.
    device
        torch device.
    seed
        Seed of weights, shuffling and replay frames. On CPU the same seed gives the same model.
    """

    name: str = "fine-tune model"
    foundation: ModelSource = field(default_factory=ModelSource)
    options: FinetuneOptions = field(default_factory=FinetuneOptions)
    replay: ReplayOptions = field(default_factory=ReplayOptions)
    device: str = "cpu"
    seed: int = 0
    role: ClassVar[Role] = Role.GPU

    @job(data=[PAYLOAD_KEY], output_schema=ModelDoc)
    def make(self, dataset: DatasetDoc, model: ModelDoc | None = None, prev_dir: str | Path | None = None) -> ModelDoc:
        """Fine-tune on ``dataset``.

        A killed job goes on from its last finished epoch when it is started again in the same folder, or in another one
        with ``prev_dir``.

        Parameters
        ----------
        dataset
            Labelled frames, split.
        model
            Model to start from instead of ``foundation``.
        prev_dir
            Folder of a job with the same settings that did not finish.
        """
        directory = take_over(prev_dir, FOLDER)
        loaded = load_model(model or self.foundation, device=self.device, dtype=self.options.dtype)
        frames = Frames(*(dataset.to_atoms(split) for split in ("train", "valid", "test")))
        result = finetune(
            loaded,
            frames,
            options=self.options,
            replay=self.replay,
            seed=self.seed,
            directory=directory,
            fingerprint=dataset.dataset_sha256,
        )
        inputs = [dataset] if model is None else [dataset, model]
        return ModelDoc(
            **describe_job(inputs, seed=self.seed, caveats=loaded.caveats),
            **_content(result, frames, loaded, dataset),
        )


def _content(result: FinetunedModel, frames: Frames, foundation: LoadedModel, dataset: DatasetDoc) -> dict[str, Any]:
    """Fields of the document: the model, how it was made, and its errors on frames it was not trained on."""
    held, split = (frames.test, "test") if frames.test else (frames.valid, "valid")
    target = LoadedModel(result.single_head.to_module(), name="target", sha256="", dtype=foundation.dtype)
    keeper = result.multi_head.to_module()
    replayed = LoadedModel(
        select_head(keeper, REPLAY_HEAD, name="fine-tuned"), name="replay", sha256="", dtype=foundation.dtype
    )
    kept = result.inputs.replay.valid
    parity = compare(target, held)
    before = compare(foundation, held, e0_shifts_ev=result.inputs.e0s.shifts_ev)
    return {
        "name": f"{foundation.name} fine-tuned on {dataset.label_method}",
        "sha256": result.single_head.sha256,
        "single_head": result.single_head,
        "multi_head": result.multi_head,
        "head": TARGET_HEAD,
        "heads": result.heads,
        "elements": list(target.elements),
        "r_max_ang": target.r_max_ang,
        "dtype": foundation.dtype,
        "foundation": ModelIdentity(name=foundation.name, sha256=foundation.sha256),
        "dataset_sha256": dataset.dataset_sha256,
        "label_method": dataset.label_method,
        "is_surrogate": dataset.is_surrogate,
        "replay_sha256": result.inputs.replay_sha256,
        "training": result.training,
        "errors": [
            head_errors(parity, held, head=TARGET_HEAD, split=split),
            head_errors(compare(replayed, kept), kept, head=REPLAY_HEAD, split="replay"),
        ],
        "foundation_errors": [head_errors(before, held, head=TARGET_HEAD, split=split)],
        "parity": parity.to_document(),
    }
