"""Sample all compositions of the lithium halides through FireWorks: python liybc_campaign.py FOLDER [STEPS].

An embedded database and two worker processes, one for planning and joining and one for MD, as ``disolyte run`` starts
them. Two orderings of each of the eleven compositions, 22 systems of 20 and 40 atoms.
"""

import json
import sys
import time
from pathlib import Path

from jobflow import Flow

from disolyte.dynamics import MDProtocol, Thermostat
from disolyte.enumeration import OrderingSpace
from disolyte.models import SHIPPED, ModelSource
from disolyte.ownership import own_folder
from disolyte.sampling import FrameChoice, FrameSelection
from disolyte.sampling.makers import MaceMDSamplerMaker, SamplingMaker
from disolyte.sampling.schema import SampleDoc
from disolyte.systems import disordered_structure, get_system
from disolyte.thermodynamics.schema import SelectedStructure
from disolyte.workers.campaign import Campaign
from disolyte.workers.database import start_embedded
from disolyte.workers.processes import ProcessRegistry
from disolyte.workers.routing import assign_workers

N_PER_COMPOSITION = 2


def selected_orderings():
    """Two orderings of each composition, lowest by Ewald energy, in the smallest cell that holds it."""
    system = get_system("liybc")
    entries = []
    for point in system.points():
        cell = (1, 1, 2) if abs(point.coordinates["x"] - 0.25) < 1e-6 else (1, 1, 1)
        space = OrderingSpace.from_structure(
            disordered_structure(system, point), cell, oxidation_states=system.oxidation_states
        )
        ranked = space.lowest_energy(N_PER_COMPOSITION)
        for index, occupation in enumerate(ranked.occupations):
            structure = space.to_structure(occupation)
            structure.remove_oxidation_states()
            entries.append(
                SelectedStructure(
                    structure=structure, point=point, family=f"{point.formula}-{index:03d}", energy_ev_per_atom=0.0,
                    energy_ev_per_fu=0.0, n_formula_units=len(structure) / 10, e_hull_ev_per_fu=0.0,
                    e_hull_ev_per_atom=0.0, probability=0.5, is_ground_state=index == 0,
                )
            )  # fmt: skip
    return entries


def plan(n_steps, n_wanted):
    """The job that plans the sampling."""
    sampler = MaceMDSamplerMaker(
        foundation=ModelSource(name=SHIPPED),
        protocol=MDProtocol(
            temperature_k=800.0,
            n_steps=n_steps,
            thermostat=Thermostat.BUSSI,
            record_every=max(n_steps // 50, 1),
            seed=3,
        ),
        frames=FrameChoice(discard_ps=n_steps / 3000, n_frames=5, selection=FrameSelection.FARTHEST_POINT),
    )
    return SamplingMaker(sampler=sampler, batch_size=8, n_wanted=n_wanted).make(selected_orderings())


def run(folder, n_steps, n_wanted, timeout_s=1500.0):
    """Run the campaign; return the states of its jobs and the sample."""
    job = plan(n_steps, n_wanted)
    flow = assign_workers(Flow([job]), {"cpu": {"_category": "cpu"}, "gpu": {"_category": "gpu"}})
    with own_folder(folder):
        registry = ProcessRegistry(folder)
        try:
            campaign = Campaign("sampling", folder, start_embedded(registry))
            campaign.write_configuration()
            campaign.submit(flow)
            campaign.start_workers(["cpu", "gpu"], threads=1)
            deadline = time.monotonic() + timeout_s
            for jobs in campaign.watch(poll_s=0.5):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"still running: {jobs}")
            failures = list(campaign.failures())
            if failures:
                raise RuntimeError(f"failed: {failures}")
            sample = SampleDoc.model_validate(campaign.job_store().get_output(job.uuid, load=True))
            return campaign.jobs(), sample
        finally:
            registry.stop_all()


def main(folder, n_steps=1500):
    """Run at a tenth of the published length, and print what came out as one JSON line."""
    started = time.perf_counter()
    jobs, sample = run(Path(folder), n_steps, n_wanted=330)
    frames = sample.frames
    result = {
        "seconds": round(time.perf_counter() - started, 1),
        "jobs": {job.name: job.state for job in jobs},
        "n_systems": len(sample.runs),
        "verdicts": {record.family: str(record.verdict.reason) for record in sample.runs},
        "mean_temperatures_k": [round(record.mean_temperature_k or 0.0) for record in sample.runs],
        "n_frames": len(frames),
        "frames_per_composition": {name: frames.composition.count(name) for name in dict.fromkeys(frames.composition)},
        "caveats": sample.caveats,
    }
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
