"""Cheap jobs with blobs and fan-out for the fault tests; importable by worker processes."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from jobflow import Flow, Maker, Response, job
from pydantic import Field

from disolyte.blobs import PAYLOAD_KEY, Blob
from disolyte.provenance import StageDoc
from disolyte.workers.records import describe_job
from disolyte.workers.roles import Role


class PieceDoc(StageDoc):
    """A number and an array made from it."""

    value: int = Field(description="The number.")
    data: Blob = Field(description="As many random numbers as asked for.")


@dataclass
class PieceMaker(Maker):
    """Wait a little, then make an array; twice the number given."""

    name: str = "piece"
    seconds: float = 0.3
    size: int = 1000
    role: ClassVar[Role] = Role.CPU

    @job(data=[PAYLOAD_KEY], output_schema=PieceDoc)
    def make(self, value: int) -> PieceDoc:
        time.sleep(self.seconds)
        with Path("scratch").open("ab") as stream:
            stream.write(b"0" * 100_000)
        data = Blob.from_array(np.random.default_rng(value).random(self.size))
        return PieceDoc(**describe_job(seed=value), value=2 * value, data=data)


@dataclass
class SumMaker(Maker):
    """Sum of pieces, whose arrays must be whole."""

    name: str = "sum"
    role: ClassVar[Role] = Role.CPU

    @job(data=[PAYLOAD_KEY], output_schema=PieceDoc)
    def make(self, pieces: list[PieceDoc]) -> PieceDoc:
        data = np.concatenate([piece.data.to_array() for piece in pieces])
        return PieceDoc(
            **describe_job(pieces), value=sum(piece.value for piece in pieces), data=Blob.from_array(data[::7].copy())
        )


@dataclass
class SpreadMaker(Maker):
    """Replace by several pieces and their sum."""

    name: str = "spread"
    n_pieces: int = 6
    piece_maker: PieceMaker = field(default_factory=PieceMaker)
    role: ClassVar[Role] = Role.CPU

    @job(data=[PAYLOAD_KEY])
    def make(self, first: PieceDoc) -> Response:
        pieces = [self.piece_maker.make(first.value + i) for i in range(self.n_pieces)]
        for number, piece in enumerate(pieces):
            piece.append_name(f" {number}")
        total = SumMaker(name="sum of spread").make([piece.output for piece in pieces])
        return Response(replace=Flow([*pieces, total], output=total.output))


def spread_flow(seconds=0.3, size=1000):
    """A piece, a fan-out over it, and a last sum."""
    first = PieceMaker(name="first", seconds=seconds).make(1)
    spread = SpreadMaker(piece_maker=PieceMaker(seconds=seconds, size=size)).make(first.output)
    last = SumMaker(name="last").make([first.output, spread.output])
    return Flow([first, spread, last], output=last.output)


def crash_at(point):
    """Let this process die, once, while it writes a blob, or at a point of ending a job that made others."""
    from fireworks import LaunchPad
    from pymongo.collection import Collection

    def die(*_args, **_kwargs):
        os._exit(9)

    if point == "blob half written":
        # Its chunks are there, but not the entry that is written last.
        insert = Collection.insert_one
        Collection.insert_one = lambda self, *args, **kwargs: (
            die() if self.name.endswith(".files") else insert(self, *args, **kwargs)
        )
        return
    if point == "launch written":
        refresh = LaunchPad._refresh_wf

        def refresh_or_die(self, fw_id):
            launches = self.fireworks.find_one({"fw_id": fw_id})["launches"]
            is_spread = self.fireworks.find_one({"fw_id": fw_id})["name"] == "spread"
            done = self.launches.count_documents({"launch_id": {"$in": launches}, "state": "COMPLETED"})
            return die() if is_spread and done else refresh(self, fw_id)

        LaunchPad._refresh_wf = refresh_or_die
        return
    upsert = LaunchPad._upsert_fws

    def upsert_and_die(self, fws, reassign_all=False):
        if not any(fw.name == "sum of spread" for fw in fws):
            return upsert(self, fws, reassign_all)
        upsert(self, fws if point == "jobs written" else fws[:3], reassign_all)
        return die()

    LaunchPad._upsert_fws = upsert_and_die
