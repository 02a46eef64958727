"""Makers that make jobs which make jobs, for the tests of routing; importable by worker processes."""

from dataclasses import dataclass, field
from typing import ClassVar

from jobflow import Flow, Maker, Response, job

from disolyte.workers.roles import Role


@dataclass
class LightMaker(Maker):
    name: str = "light"

    @job
    def make(self, x):
        return x + 1


@dataclass
class HeavyMaker(Maker):
    role: ClassVar[Role] = Role.GPU
    name: str = "heavy"

    @job
    def make(self, x):
        return 2 * x


@dataclass
class FanOutMaker(Maker):
    """Replace by a flow of heavy jobs; detour over light ones; each level makes the next."""

    role: ClassVar[Role] = Role.CPU
    name: str = "fan out"
    depth: int = 1
    heavy: Maker = field(default_factory=HeavyMaker)
    light: Maker = field(default_factory=LightMaker)

    @job
    def make(self, x):
        heavy = self.heavy.make(x)
        light = self.light.make(heavy.output)
        jobs = [heavy, light]
        if self.depth > 0:
            below = type(self)(depth=self.depth - 1, heavy=self.heavy, light=self.light)
            jobs.append(below.make(light.output))
        return Response(replace=Flow(jobs, output=light.output), addition=self.heavy.make(x))


@dataclass
class DoublingFanOutMaker(FanOutMaker):
    """A heavy job that makes light ones: the other way round."""

    role: ClassVar[Role] = Role.GPU
    name: str = "heavy fan out"

    @job
    def make(self, x):
        return Response(detour=self.light.make(x), output=x)


@dataclass
class WaitMaker(Maker):
    """Run until a file is there."""

    name: str = "wait"

    @job
    def make(self, path, value):
        import time
        from pathlib import Path

        while not Path(path).exists():
            time.sleep(0.1)
        return value


@dataclass
class NeedsFileMaker(Maker):
    name: str = "needs file"

    @job
    def make(self, path):
        from pathlib import Path

        return Path(path).read_text()


@dataclass
class DeadlyMaker(Maker):
    name: str = "deadly"

    @job
    def make(self):
        import os

        os._exit(9)


@dataclass
class TwiceWrittenMaker(Maker):
    name: str = "twice written"

    @job
    def make(self):
        from pymongo.errors import DuplicateKeyError

        raise DuplicateKeyError("there is one already")


def fan_out_flow():
    """One fan-out."""
    return Flow([FanOutMaker(depth=0).make(1)])
