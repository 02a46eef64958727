"""What the document of a trained model says, however the model was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from disolyte.finetuning.finetune import FinetunedModel
from disolyte.finetuning.frames import Frames
from disolyte.finetuning.metrics import compare, head_errors
from disolyte.finetuning.options import REPLAY_HEAD, TARGET_HEAD
from disolyte.finetuning.reference_energies import ReferenceEnergies
from disolyte.finetuning.scratch import SCRATCH_HEAD, ScratchModel
from disolyte.labelling.schema import DatasetDoc
from disolyte.models.loaded import LoadedModel
from disolyte.models.loading import select_head
from disolyte.models.schema import ModelIdentity, PackedModel, TrainingRecord

if TYPE_CHECKING:
    import torch


def report_finetuned(
    result: FinetunedModel, frames: Frames, foundation: LoadedModel, dataset: DatasetDoc, dataset_sha256: str
) -> dict[str, Any]:
    """Fields of the document of a fine-tuned model; errors of the foundation and of the replay head come with it."""
    held, split = _held_out(frames)
    replayed = LoadedModel(
        select_head(result.module, REPLAY_HEAD, name="fine-tuned"),
        name="replay", sha256="", device=foundation.device, dtype=foundation.dtype,
    )  # fmt: skip
    kept = result.inputs.replay.valid
    before = compare(foundation, held, e0_shifts_ev=result.inputs.e0s.shifts_ev)
    fields = _fields(
        result.single_head, result.target_module, _with_e0s(result.training, result.inputs.e0s), frames, dataset,
        head=TARGET_HEAD, device=foundation.device, dtype=foundation.dtype,
    )  # fmt: skip
    fields["errors"].append(head_errors(compare(replayed, kept), kept, head=REPLAY_HEAD, split="replay"))
    return fields | {
        "name": f"{foundation.name} fine-tuned on {dataset.label_method}",
        "multi_head": result.multi_head,
        "heads": result.heads,
        "foundation": ModelIdentity(name=foundation.name, sha256=foundation.sha256),
        "dataset_sha256": dataset_sha256,
        "replay_sha256": result.inputs.replay_sha256,
        "foundation_errors": [head_errors(before, held, head=TARGET_HEAD, split=split)],
    }


def report_scratch(
    result: ScratchModel, frames: Frames, dataset: DatasetDoc, dataset_sha256: str, *, device: str, dtype: str
) -> dict[str, Any]:
    """Fields of the document of a model trained from scratch."""
    fields = _fields(
        result.model, result.module, _with_e0s(result.training, result.e0s), frames, dataset, head=SCRATCH_HEAD,
        device=device, dtype=dtype,
    )  # fmt: skip
    return fields | {
        "name": f"MACE trained from scratch on {dataset.label_method}",
        "heads": [SCRATCH_HEAD],
        "dataset_sha256": dataset_sha256,
    }


def _with_e0s(training: TrainingRecord, e0s: ReferenceEnergies) -> TrainingRecord:
    """The record, which says what energies of isolated atoms were used, where they are from, and how determined."""
    return training.model_copy(update={"effective": training.effective | e0s.as_settings()})


def _held_out(frames: Frames) -> tuple[list[Any], str]:
    """Frames to judge by: those of the test, or, where there are none, of the validation."""
    return (frames.test, "test") if frames.test else (frames.valid, "valid")


def _fields(
    packed: PackedModel,
    module: torch.nn.Module,
    training: TrainingRecord,
    frames: Frames,
    dataset: DatasetDoc,
    *,
    head: str,
    device: str,
    dtype: str,
) -> dict[str, Any]:
    """The model, how it was made, and its errors on frames it was not trained on."""
    held, split = _held_out(frames)
    model = LoadedModel(module, name=head, sha256=packed.sha256, device=device, dtype=dtype)
    parity = compare(model, held)
    return {
        "sha256": packed.sha256,
        "single_head": packed,
        "head": head,
        "elements": list(model.elements),
        "r_max_ang": model.r_max_ang,
        "dtype": dtype,
        "label_method": dataset.label_method,
        "is_surrogate": dataset.is_surrogate,
        "training": training,
        "errors": [head_errors(parity, held, head=head, split=split)],
        "parity": parity.to_document(),
    }
