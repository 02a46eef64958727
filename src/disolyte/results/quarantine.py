"""What was set aside, in which stage and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from pydantic import Field

from disolyte.records import Record
from disolyte.results.query import Results


class QuarantinedPiece(Record):
    """A run or a frame that was set aside while the rest went on."""

    stage: str = Field(description="Stage of the pipeline.")
    kind: str = Field(description="Kind of the fault, to count by.")
    reason: str = Field(description="What was found.")
    piece: str = Field(description="Run, frame or temperature.")
    composition: str = Field(description="Composition.")
    uuid: str = Field(description="Document that says so.")


def quarantined_pieces(results: Results) -> list[QuarantinedPiece]:
    """All pieces that were set aside, each once, although joined documents repeat those of their parts."""
    unique: dict[tuple[str, str, str], QuarantinedPiece] = {}
    for piece in (*_runs(results), *_frames(results), *_temperatures(results)):
        unique.setdefault((piece.stage, piece.piece, piece.kind), piece)
    return list(unique.values())


def count_quarantined(results: Results) -> dict[str, int]:
    """Number of pieces that were set aside in each stage."""
    return dict(Counter(piece.stage for piece in quarantined_pieces(results)))


def _runs(results: Results) -> Iterator[QuarantinedPiece]:
    for uuid, output in results.raw("SampleDoc", ["runs.family", "runs.composition", "runs.verdict"]):
        for run in output.get("runs", []):
            verdict = run["verdict"]
            if verdict["reason"] != "completed":
                yield QuarantinedPiece(
                    stage="sampling",
                    kind=str(verdict["reason"]),
                    reason=str(verdict.get("message") or verdict["reason"]),
                    piece=f"MD run {run['family']}",
                    composition=run["composition"],
                    uuid=uuid,
                )


def _frames(results: Results) -> Iterator[QuarantinedPiece]:
    """Frames set aside by labelling and by the quality gate: of the dataset once there is one."""
    found = [(uuid, output.get("quarantine", [])) for uuid, output in results.raw("DatasetDoc", ["quarantine"])]
    if not found:
        some = {"output.rejections.0": {"$exists": True}}
        labels = results.raw("LabelDoc", ["rejections"], some)
        found = [(uuid, output.get("rejections", [])) for uuid, output in labels]
    for uuid, rejections in found:
        for rejection in rejections:
            yield _frame(uuid, rejection)


def _frame(uuid: str, rejection: dict[str, Any]) -> QuarantinedPiece:
    return QuarantinedPiece(
        stage="labelling",
        kind=str(rejection["kind"]),
        reason=str(rejection["reason"]),
        piece=f"frame {rejection['family']} at step {rejection['md_step']}",
        composition=rejection["composition"],
        uuid=uuid,
    )


def _temperatures(results: Results) -> Iterator[QuarantinedPiece]:
    wanted = ["formula", "runs.temperature_k", "runs.exclusion"]
    for uuid, output in results.raw("TransportDoc", wanted):
        for run in output.get("runs", []):
            if run.get("exclusion"):
                yield QuarantinedPiece(
                    stage="diffusion",
                    kind="left out of the fit",
                    reason=run["exclusion"],
                    piece=f"{output['formula']} at {run['temperature_k']:g} K",
                    composition=output["formula"],
                    uuid=uuid,
                )
