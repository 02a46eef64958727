"""What the paper does with the data sets and models that ``makers.py`` leads to: each function makes one flow.

    from jobflow import SETTINGS
    from disolyte import Results

    results = Results(SETTINGS.JOB_STORE)
    model = results.model(load=True)                 # the fine-tuned one
    flow = monte_carlo_phases(model)                 # and so on; then assign_workers and submit as always

Source: Deng et al., J. Mater. Chem. A (2025), doi:10.1039/d5ta05321h. Where the paper is silent, a comment says so.
"""

from __future__ import annotations

from dataclasses import replace

from jobflow import Flow
from makers import SYSTEMS, diffusion_maker, finetune_maker

from disolyte import (
    DatasetDoc,
    EnumerationMaker,
    LearningCurveMaker,
    ModelDoc,
    MonteCarloMaker,
    PhaseDiagramDoc,
    RankingMaker,
    ScratchTrainMaker,
    SelectionDoc,
    StabilityMaker,
    get_system,
)
from disolyte.dynamics import MDProtocol, Thermostat
from disolyte.systems import disordered_structure
from disolyte.thermodynamics import RelaxationProtocol
from disolyte.thermodynamics.montecarlo import ClusterEnergy, Schedule

DEVICE = "cuda"


def learning_curve(dataset: DatasetDoc, selection: SelectionDoc) -> Flow:
    """Figure 2b: errors of models fine-tuned on 100 to 2500 frames, three seeds each."""
    curve = LearningCurveMaker(trainer=replace(finetune_maker(), device=DEVICE))
    return Flow([curve.make(dataset, selection)], name="learning curve")


def monte_carlo_phases(model: ModelDoc, n_phases: int = 4) -> Flow:
    """Figure 2d: Na3Zr2Si2PO12 with the distributions that Monte Carlo finds in a 4×4×4 supercell."""
    system = get_system("nasicon")
    point = system.point("Na3Zr2Si2PO12")
    disordered = disordered_structure(system, point)
    enumeration = EnumerationMaker(n_lowest=300, n_diverse=300).make(
        disordered, point=point, supercells=system.supercells, system_key=system.key
    )
    ranking = RankingMaker(device=DEVICE).make(enumeration.output, model=model)
    # The paper cites the method, and gives neither energies nor temperature: a cluster expansion of the model's here.
    walk = MonteCarloMaker(
        energy=ClusterEnergy(), temperature_k=1000.0, supercell=(4, 4, 4), schedule=Schedule(n_sweeps=2000, n_chains=4)
    ).make(disordered, point=point, enumeration=enumeration.output, ranking=ranking.output)
    # The supercell is large enough as it is.
    maker = replace(diffusion_maker(SYSTEMS["nasicon"]), supercell=(1, 1, 1), mechanism_maker=None)
    maker.md_maker.device = DEVICE
    runs = [
        replace(maker, name=f"diffusion, phase {i}").make(
            walk.output.configurations[i].structure, model=model, point=point, origin=walk.output
        )
        for i in range(n_phases)
    ]
    return Flow([enumeration, ranking, walk, *runs], name="Monte Carlo phases")


def held_out_phases(model: ModelDoc) -> Flow:
    """Figures 3c and 3e: phases that the model was not trained on, α- and β-Li3PS4 and Cmcm Li4GeO4."""
    jobs: list = []
    for key in ("li3ps4-alpha", "li3ps4-beta", "li4geo4-cmcm"):
        system = get_system(key)
        (point,) = system.points()
        disordered = disordered_structure(system, point)
        enumeration = EnumerationMaker(n_lowest=2000, n_diverse=0).make(
            disordered, point=point, supercells=system.supercells, system_key=key
        )
        ranking = RankingMaker(device=DEVICE, relaxation=RelaxationProtocol(kind="positions"), n_candidates=50).make(
            enumeration.output, model=model
        )
        maker = replace(diffusion_maker(SYSTEMS["lpsgo"]), name=f"diffusion {key}")
        maker.md_maker.device = DEVICE
        diffusion = maker.make(ranking.output.lowest, model=model, point=point, host=disordered, origin=ranking.output)
        jobs += [enumeration, ranking, diffusion]
    return Flow(jobs, name="held-out phases")


def scratch_against_finetuned(model: ModelDoc, dataset: DatasetDoc, diagram: PhaseDiagramDoc) -> Flow:
    """Training from scratch (128 channels, 2 layers, correlation 3, 5 Å), then the same MD with both models."""
    scratch = ScratchTrainMaker(device=DEVICE).make(dataset)
    # The paper does not say how long its unstable runs were.
    stability = StabilityMaker(
        device=DEVICE,
        protocol=MDProtocol(
            temperature_k=800.0, time_step_fs=1.0, n_steps=100_000, thermostat=Thermostat.BUSSI, record_every=100
        ),
    ).make([model, scratch.output], [state.structure for state in diagram.ground_states], dataset=dataset)
    return Flow([scratch, stability], name="scratch against fine-tuned")
