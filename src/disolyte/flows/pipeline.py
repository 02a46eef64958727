"""The whole way: from a disordered system to conductivities."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jobflow import Flow, Job, Maker

from disolyte.diffusion.makers import DiffusionMaker
from disolyte.errors import CompositionError
from disolyte.finetuning.makers import FinetuneMaker
from disolyte.flows.training_set import TrainingSetFlowMaker
from disolyte.systems import DisorderedSystem, disordered_structure
from disolyte.thermodynamics.makers import PhaseDiagramMaker


@dataclass
class DisorderedElectrolyteFlowMaker(Maker):
    """Training set, fine-tuning, phase diagram and diffusion of a disordered solid electrolyte.

    Runs with ``run_locally``, on FireWorks or jobflow-remote, and inside other flows. Send its jobs to workers with
    :func:`disolyte.workers.routing.assign_workers`.

    Parameters
    ----------
    name
        Name of the flow.
    training_set_maker
        Makes the dataset.
    finetune_maker
        Fine-tunes the foundation model on it.
    phase_diagram_maker
        Ranks all candidates anew with the fine-tuned model; finds the ground states.
    diffusion_maker
        Simulates the ground state of a composition at several temperatures.
    diffusion_formulas
        Compositions to simulate; all if None.
    """

    name: str = "disordered electrolyte"
    training_set_maker: TrainingSetFlowMaker = field(default_factory=TrainingSetFlowMaker)
    finetune_maker: FinetuneMaker = field(default_factory=FinetuneMaker)
    phase_diagram_maker: PhaseDiagramMaker = field(default_factory=PhaseDiagramMaker)
    diffusion_maker: DiffusionMaker = field(default_factory=DiffusionMaker)
    diffusion_formulas: list[str] | None = None

    def make(self, system: DisorderedSystem) -> Flow:
        """Make the flow.

        Parameters
        ----------
        system
            The disordered system. It is checked before any job exists.

        Returns
        -------
        Flow
            Its output holds references to the ``dataset`` (DatasetDoc), the ``selection`` (SelectionDoc), the ``model``
            (ModelDoc), the ``phase_diagram`` (PhaseDiagramDoc) and ``transport`` (TransportDoc by formula).

        Raises
        ------
        CompositionError
            If ``diffusion_formulas`` names a composition that is not on the grid, or the grid is unfit.
        OxidationStateError
            If a composition is not neutral.
        """
        formulas = [point.formula for point in system.points()]
        wanted = formulas if self.diffusion_formulas is None else self.diffusion_formulas
        for formula in wanted:
            if formula not in formulas:
                raise CompositionError(f"diffusion of {formula!r} is asked for; the grid holds {', '.join(formulas)}")
        training_set = self.training_set_maker.make(system)
        finetune = self.finetune_maker.make(training_set.output["dataset"])
        phases = self.phase_diagram_maker.make(
            training_set.output["selection"], finetune.output, rankings=training_set.output["rankings"]
        )
        # References stand for the documents, which only jobs see.
        model: Any = finetune.output
        diagram: Any = phases.output
        diffusion = {
            formula: self.diffusion_maker.make(
                diagram.ground_states[formulas.index(formula)].structure,
                model=model,
                point=system.point(formula),
                origin=diagram,
                host=disordered_structure(system, system.point(formula)),
            )
            for formula in wanted
        }
        output = {
            "dataset": training_set.output["dataset"],
            "selection": training_set.output["selection"],
            "model": finetune.output,
            "phase_diagram": phases.output,
            "transport": {formula: flow.output for formula, flow in diffusion.items()},
        }
        jobs: list[Flow | Job] = [training_set, finetune, phases, *diffusion.values()]
        return Flow(jobs, output=output, name=f"{self.name} {system.key}")
