"""A committee ready to be used: means and spreads of many structures."""

from __future__ import annotations

from collections.abc import Sequence

from ase import Atoms

from disolyte.errors import InputError
from disolyte.finetuning.committee.last_layer import attach_heads
from disolyte.finetuning.committee.schema import CommitteeDoc
from disolyte.finetuning.committee.spread import CommitteePredictions, combine_predictions
from disolyte.models.loaded import LoadedModel
from disolyte.models.loading import load_model
from disolyte.models.schema import ModelDoc


class Committee:
    """Several models that answer together.

    Parameters
    ----------
    models
        The members; at least two, different, of the same elements.
    energy_scale, force_scale
        Factors that turn spreads into expected errors; 1 leaves the spreads as they are.

    Raises
    ------
    InputError
        If the members are fewer than two, the same, or made for different elements.

    Examples
    --------
    >>> from disolyte.results import Results  # doctest: +SKIP
    >>> results = Results(store)  # doctest: +SKIP
    >>> document = results.latest(CommitteeDoc, load=True)  # doctest: +SKIP
    >>> committee = Committee.load(document, results.documents(ModelDoc, load=True))  # doctest: +SKIP
    >>> committee.predict([atoms]).force_spreads_ev_per_ang[0]  # doctest: +SKIP
    """

    def __init__(self, models: Sequence[LoadedModel], *, energy_scale: float = 1.0, force_scale: float = 1.0) -> None:
        _check_models(models)
        self.models = list(models)
        self.energy_scale = energy_scale
        self.force_scale = force_scale

    @classmethod
    def load(
        cls, document: CommitteeDoc, models: Sequence[ModelDoc], *, device: str = "cpu", dtype: str = "float32"
    ) -> Committee:
        """Committee of a document: its members, found by hash among ``models``, and its scales.

        Parameters
        ----------
        document
            The committee.
        models
            Documents that the members are among, in any order, with their weights; of heads of one model, that model.
        device, dtype
            As of :func:`~disolyte.models.load_model`.

        Raises
        ------
        InputError
            If a member is not among them.
        """
        by_hash = {model.sha256: model for model in models}
        wanted = document.members if document.last_layer is None else [document.last_layer.model]
        if missing := [f"{one.name} ({one.sha256[:12]}…)" for one in wanted if one.sha256 not in by_hash]:
            raise InputError(
                f"{len(missing)} of {len(wanted)} members are not among the {len(models)} models given: "
                f"{', '.join(missing)}; fetch their ModelDocs from the store"
            )
        members = [load_model(by_hash[one.sha256], device=device, dtype=dtype) for one in wanted]
        if document.last_layer is not None:
            members = attach_heads(members[0], document.last_layer.offsets.to_array())
        return cls(members, energy_scale=document.energies.scale, force_scale=document.forces.scale)

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols of the elements that the members were made for."""
        return self.models[0].elements

    def check_elements(self, structures: Sequence[Atoms]) -> None:
        """Refuse elements which the members were not made for, with a ModelCoverageError."""
        self.models[0].check_elements(structures)

    def predict(self, structures: Sequence[Atoms] | Atoms, batch_size: int = 32) -> CommitteePredictions:
        """Mean and spread of the members' energies, forces and stresses.

        Parameters
        ----------
        structures
            One structure or many, of any sizes.
        batch_size
            Structures in one pass.

        Raises
        ------
        ModelCoverageError
            If an element is unknown to the members.
        """
        frames = [structures] if isinstance(structures, Atoms) else list(structures)
        return combine_predictions(
            [model.predict(frames, batch_size=batch_size) for model in self.models],
            energy_scale=self.energy_scale,
            force_scale=self.force_scale,
        )


def _check_models(models: Sequence[LoadedModel]) -> None:
    if len(models) < 2:
        raise InputError(f"a committee of {len(models)} has no spread; give at least 2 members, better 4")
    seen: dict[str, int] = {}
    for index, model in enumerate(models):
        if model.sha256 in seen:
            raise InputError(
                f"members {seen[model.sha256]} and {index} have the same weights ({model.sha256[:12]}…) and would "
                "agree whatever their errors; train each with a seed of its own"
            )
        seen[model.sha256] = index
    sets = [set(model.elements) for model in models]
    if differing := set.union(*sets) - set.intersection(*sets):
        raise InputError(
            f"the members were made for different elements: not all know "
            f"{', '.join(sorted(differing))}; take members of one foundation and one dataset"
        )
