"""What a flow is expected to cost, for progress displays and plans."""

from disolyte.workers.folder import StageCost

__all__ = ["StageCost"]
