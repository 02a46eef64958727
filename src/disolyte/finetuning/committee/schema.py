"""Documents of committees: who is in them, what their spread is worth, and which frames to label next."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from disolyte.blobs import Blob
from disolyte.models.schema import HeadErrors, ModelIdentity, QuantityErrors
from disolyte.provenance import StageDoc
from disolyte.records import Record
from disolyte.sampling.schema import FrameBatch


class CommitteeMember(Record):
    """One model of a committee."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Name of the model.")
    sha256: str = Field(description="SHA-256 of its single-head model; of model and offsets for a last-layer head.")
    uuid: str = Field(description="uuid of its ModelDoc.")
    seed: int | None = Field(description="Seed that it was trained with.")
    errors: QuantityErrors = Field(description="Its own errors on the test frames.")


class CoveragePoint(Record):
    """Share of the true errors within intervals that ought to hold a nominal share of them."""

    nominal: float = Field(description="Share that ought to lie within.")
    observed: float = Field(description="Share of the test values that does.")
    observed_unscaled: float = Field(description="Share that does if the scale is left out.")


class ErrorBin(Record):
    """Test values of like spread."""

    n: int = Field(description="Values of spread in the bin: frames for energies, atoms for forces.")
    expected: float = Field(description="Root mean square of the scaled spreads, in the calibration's unit.")
    observed: float = Field(description="Root mean square of the true errors, in the calibration's unit.")


class Calibration(Record):
    """What the spread of one quantity is worth; see :mod:`disolyte.finetuning.committee.calibration`."""

    quantity: str = Field(description="'energies' or 'forces'.")
    unit: str = Field(description="Unit of its spreads and errors: 'eV/atom' or 'eV/Å'.")
    scale: float = Field(description="Expected error over spread, fitted on the validation frames.")
    degrees_of_freedom: int = Field(description="Of Student's distribution, which the intervals are taken from.")
    n_fitted: int = Field(description="Errors that the scale was fitted to.")
    n_tested: int = Field(description="Errors that it was judged by.")
    rms_spread: float = Field(description="Root mean square of the spreads of the test frames, not scaled, in `unit`.")
    rmse: float = Field(description="Root mean square error of the committee's mean on the test frames, in `unit`.")
    spearman: float | None = Field(
        description="Rank correlation of spread and error of the test frames; None for fewer than three."
    )
    coverage: list[CoveragePoint] = Field(description="Coverage of intervals on the test frames.")
    curve: list[ErrorBin] = Field(description="Expected against true error on the test frames, by rising spread.")

    def coverage_at(self, nominal: float) -> CoveragePoint:
        """The coverage at the nominal share nearest to ``nominal``."""
        return min(self.coverage, key=lambda point: abs(point.nominal - nominal))


class FrameScatter(Record):
    """Spread, not scaled, and error of the mean of each test frame; forces are root mean squares over components."""

    energy_spreads_ev_per_atom: Blob = Field(description="Spread of the energy, float64 (n_frames,).")
    energy_errors_ev_per_atom: Blob = Field(description="Error of the mean energy, signed, float64 (n_frames,).")
    force_spreads_ev_per_ang: Blob = Field(description="Spread of the forces, float64 (n_frames,).")
    force_errors_ev_per_ang: Blob = Field(description="Error of the mean forces, float64 (n_frames,).")


class LastLayerHeads(Record):
    """Heads of one model that differ in its last linear layers alone."""

    model: ModelIdentity = Field(description="The model.")
    offsets: Blob = Field(description="What each head adds to the weights of the last layers, (n_heads, n_weights).")
    ridge: float = Field(description="Smallest curvature of the fit, as a part of the mean one.")


class CommitteeDoc(StageDoc):
    """A committee, and what its spread says of its errors.

    Its members are models that differ by their seeds, or heads of one model. The weights are in the models' own
    documents; :meth:`~disolyte.finetuning.committee.Committee.load` picks them by hash.
    """

    members: list[CommitteeMember] = Field(description="The members, in the order they were given.")
    last_layer: LastLayerHeads | None = Field(
        default=None, description="What makes the members, if they are heads of one model."
    )
    n_failed: int = Field(default=0, description="Members that were asked for and not trained.")
    elements: list[str] = Field(description="Elements that all members were made for.")
    foundation: ModelIdentity | None = Field(default=None, description="Model that the members started from.")
    dataset_sha256: str = Field(description="Hash of the dataset of all members.")
    label_method: str = Field(description="What made its labels.")
    is_surrogate: bool = Field(description="Whether these come from a surrogate and not from DFT.")
    errors: HeadErrors = Field(description="Errors of the committee's mean on the test frames.")
    energies: Calibration = Field(description="What the spread of the energy per atom is worth.")
    forces: Calibration = Field(description="What the spread of a force component is worth.")
    frames: FrameScatter = Field(description="Spread and error of each test frame.")


class UncertainFramesDoc(StageDoc):
    """Frames of a pool that a committee would have labelled next; a LabelMaker takes ``frames`` as they are."""

    frames: FrameBatch = Field(description="The frames, in the order in which they were chosen.")
    indices: list[int] = Field(description="Their places in the pool.")
    force_spreads_ev_per_ang: list[float] = Field(
        description="Their expected force errors: scaled spread, root mean square over components."
    )
    energy_spreads_ev_per_atom: list[float] = Field(description="Their expected energy errors: scaled spread.")
    pool_force_spreads_ev_per_ang: Blob = Field(description="Expected force error of all frames, float64 (n_pool,).")
    pool_energy_spreads_ev_per_atom: Blob = Field(description="Expected energy error of all frames, float64 (n_pool,).")
    n_pool: int = Field(description="Frames to choose from.")
    n_certain: int = Field(description="Frames passed over because their spread is below the limit.")
    n_broken: int = Field(description="Frames passed over because their spread is above the limit.")
    n_duplicates: int = Field(description="Frames passed over because they nearly equal a chosen one.")
    committee: list[ModelIdentity] = Field(description="Members of the committee.")
