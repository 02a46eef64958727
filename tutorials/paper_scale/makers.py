"""The paper's settings for its three systems, every number in sight.

    python makers.py liybc > liybc.json                       # also: nasicon, lpsgo
    disolyte plan liybc --maker liybc.json                    # jobs, machines, rough costs; nothing is submitted
    disolyte submit liybc --maker liybc.json --folder campaign

Most of these are the defaults of the Makers; they are written out to be read and changed. Where the paper is silent, a
comment says so. Source: Deng et al., J. Mater. Chem. A (2025), doi:10.1039/d5ta05321h.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from monty.json import MontyEncoder

from disolyte import (
    DatasetMaker,
    DiffusionMaker,
    DisorderedElectrolyteFlowMaker,
    EnumerationMaker,
    HullSelectionMaker,
    LabelMaker,
    MaceMDSamplerMaker,
    MechanismMaker,
    ModelSource,
    RankingMaker,
    ScanDoubleStaticMaker,
    ScanStaticMaker,
    TrainingSetFlowMaker,
)
from disolyte.diffusion.makers import DiffusionMDMaker
from disolyte.diffusion.schedule import LengthRule, MDSchedule
from disolyte.dynamics import MDProtocol, Thermostat
from disolyte.finetuning.makers import FinetuneMaker
from disolyte.finetuning.options import FinetuneOptions, ReplayOptions
from disolyte.flows.costs import set_device
from disolyte.sampling import FrameChoice
from disolyte.sampling.makers import SamplingMaker
from disolyte.thermodynamics import RelaxationProtocol
from disolyte.thermodynamics.makers import PhaseDiagramMaker


@dataclass(frozen=True)
class Diffusion:
    """What is simulated of a system."""

    temperatures_k: tuple[float, ...]
    formulas: list[str] | None
    hub: str | None


SYSTEMS = {
    # The paper names no temperatures for the first two; these span the range of the published conductivities.
    "nasicon": Diffusion((600.0, 700.0, 800.0, 900.0, 1000.0), ["Na3Zr2Si2PO12"], hub=None),
    "lpsgo": Diffusion((600.0, 700.0, 800.0, 900.0, 1000.0), ["Li3.5P0.5Ge0.5S2O2"], hub=None),
    # Above 1100 K the halides melt.
    "liybc": Diffusion((800.0, 900.0, 1000.0, 1100.0), None, hub="4h"),
}

MACE_MP_0A = ModelSource(name="medium")  # on nodes without a network: ModelSource(name="medium", path=..., sha256=...)


def training_set_maker() -> TrainingSetFlowMaker:
    """About 2500 frames with SCAN labels."""
    return TrainingSetFlowMaker(
        # 2000 orderings of lowest Ewald energy in each cell; those as unlike as possible beside them are our addition.
        enumeration_maker=EnumerationMaker(n_lowest=2000, n_diverse=200),
        ranking_maker=RankingMaker(foundation=MACE_MP_0A, max_atoms=20_000, n_candidates=200),
        # exp(-E_hull / k_B T) per formula unit; 84 structures with 30 frames each make the 2500.
        selection_maker=HullSelectionMaker(temperature_k=800.0, n_select=84),
        sampling_maker=SamplingMaker(
            sampler=MaceMDSamplerMaker(
                foundation=MACE_MP_0A,
                # The paper names no thermostat for the sampling.
                protocol=MDProtocol(
                    temperature_k=800.0, time_step_fs=1.0, n_steps=15_000, thermostat=Thermostat.BUSSI, record_every=50
                ),
                frames=FrameChoice(discard_ps=5.0, n_frames=30, max_strain=0.03),
            ),
            batch_size=64,
            n_wanted=2500,
        ),
        # SCAN, ENCUT 520 eV, EDIFF 1e-5 eV, Γ-centred mesh of 0.2 Å⁻¹, no symmetry: ScanStaticMaker's own settings.
        label_maker=LabelMaker(
            static_maker=ScanStaticMaker(), retry_makers=[ScanStaticMaker(), ScanDoubleStaticMaker()], chunk_size=50
        ),
        dataset_maker=DatasetMaker(),
    )


def finetune_maker() -> FinetuneMaker:
    """Two heads, up to 500 epochs, stopped after 20 without a better validation loss."""
    return FinetuneMaker(
        foundation=MACE_MP_0A,
        options=FinetuneOptions(max_num_epochs=500, patience=20, lr=0.01),
        replay=ReplayOptions(n_frames=2500),  # the paper does not say how many; as many as are labelled
    )


def diffusion_maker(diffusion: Diffusion) -> DiffusionMaker:
    """500 ps at 800 K and above, 1 ns below, in 2×2×2 cells; a fifth thrown away."""
    return DiffusionMaker(
        temperatures_k=diffusion.temperatures_k,
        supercell=(2, 2, 2),
        schedule=MDSchedule(
            lengths=LengthRule(
                threshold_k=800.0,
                hot_length_ps=500.0,
                hot_discard_ps=100.0,
                cold_length_ps=1000.0,
                cold_discard_ps=200.0,
            ),
            time_step_fs=1.0,
            thermostat=Thermostat.BERENDSEN,
            n_seeds=1,  # several give errors that stand on independent runs
        ),
        md_maker=DiffusionMDMaker(foundation=MACE_MP_0A),
        mechanism_maker=MechanismMaker(hub=diffusion.hub),
    )


def flow_maker(system: str, device: str = "cuda") -> DisorderedElectrolyteFlowMaker:
    """The whole flow for one of the paper's systems."""
    maker = DisorderedElectrolyteFlowMaker(
        training_set_maker=training_set_maker(),
        finetune_maker=finetune_maker(),
        phase_diagram_maker=PhaseDiagramMaker(relaxation=RelaxationProtocol(kind="cell"), max_atoms=20_000),
        diffusion_maker=diffusion_maker(SYSTEMS[system]),
        diffusion_formulas=SYSTEMS[system].formulas,
    )
    set_device(maker, device)
    return maker


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in SYSTEMS:
        sys.exit(f"usage: python makers.py {'|'.join(SYSTEMS)} > SYSTEM.json")
    print(json.dumps(flow_maker(sys.argv[1]).as_dict(), cls=MontyEncoder, indent=1))
