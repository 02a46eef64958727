# %% [markdown]
# # Makers inside atomate2 flows
#
# disolyte's flows are made of Makers that work one by one, beside those of atomate2, with its powerups, with a force
# field of your own and with labels of your own. Six small recipes.
#
# ```{admonition} What is real here, and what stands in
# :class: warning
# Energies and forces come from `disolyte-small` and from CHGNet, **not from the paper's ingredients** (MACE-MP-0a and
# SCAN by VASP), for a few cells of 20 atoms. VASP's inputs are set up and not run. With the real ingredients the
# rankings would differ, and the labels would be eV apart, for their energies have another zero. Wiring is what is
# shown; no number below is the material's.
# ```

# %%
import contextlib
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import matplotlib.pyplot as plt
from ase.calculators.calculator import Calculator
from atomate2.forcefields.jobs import ForceFieldRelaxMaker, ForceFieldStaticMaker
from atomate2.vasp.powerups import update_user_incar_settings
from jobflow import Flow, JobStore, Maker, job, run_locally
from maggma.stores import MemoryStore
from pymatgen.core import Structure
from scipy.stats import kendalltau

from disolyte import (
    DatasetDoc,
    DatasetMaker,
    EnumerationDoc,
    EnumerationMaker,
    LabelDoc,
    LabelMaker,
    MaceMDSamplerMaker,
    ModelSource,
    RankedEnergiesDoc,
    RankingMaker,
    Results,
    SampleDoc,
    get_system,
)
from disolyte.blobs import PAYLOAD_KEY
from disolyte.dynamics import MDProtocol
from disolyte.labelling import Label, build_label_doc, frames_from_structures
from disolyte.sampling import FrameChoice
from disolyte.systems import disordered_structure
from disolyte.workers.records import describe_job
from disolyte.workers.roles import Role
from disolyte.workers.routing import assign_workers, role_of

warnings.simplefilter("ignore")  # other packages', about themselves
FOLDER = Path("makers")
FOLDER.mkdir(exist_ok=True)
store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
results = Results(store)


def run(flow):
    """Run a job or a flow here and now; CHGNet, which tells its name each time, is not listened to."""
    with contextlib.redirect_stdout(io.StringIO()):
        run_locally(flow, store=store, create_folders=True, root_dir=FOLDER / "jobs", ensure_success=True, log=False)


# %% [markdown]
# ## 1. One Maker
#
# A Maker's `make` gives a job, and a job leaves one document. The job store needs an additional store called `data`,
# for the arrays; `Results` reads documents back, `load=True` with their arrays.

# %%
system = get_system("liybc")
point = system.point("Li3In0.5Y0.5Br6")

enumerate_job = EnumerationMaker(n_lowest=6, n_diverse=6).make(disordered_structure(system, point), point=point)
run(enumerate_job)

enumeration = results.latest(EnumerationDoc, load=True)
print(f"{enumeration.point.formula}: {enumeration.n_distinct[0]} distinct orderings, {enumeration.n_orderings} kept")
print(enumeration.cells[0].structure(0).composition)

# %% [markdown]
# ## 2. A force field of your own
#
# Wherever energies are asked of a `foundation`, an atomate2 `ForceFieldStaticMaker` may stand instead of a MACE model:
# any force field that atomate2 knows, or your own by the import path of its ASE calculator
# (`force_field_name={"@module": ..., "@callable": ...}`). Here CHGNet, against the small model of the package.

# %%
small = ModelSource(name="disolyte-small")
chgnet = ForceFieldStaticMaker(force_field_name="CHGNet", calculator_kwargs={"use_device": "cpu"})

rank_jobs = [RankingMaker(foundation=source).make(enumeration) for source in (small, chgnet)]
run(Flow(rank_jobs))

rankings = results.documents(RankedEnergiesDoc, load=True)
energies = [ranking.ordering_energies_ev_per_fu.to_array() for ranking in rankings]
names = [ranking.model_name for ranking in rankings]
print(f"{names[0]} and {names[1]}: Kendall's tau {kendalltau(*energies).statistic:.2f}")

# %% [markdown]
# Two models of different training have different zeros; only differences between orderings count.

# %%
figure, axes = plt.subplots(figsize=(4.4, 3.6), layout="constrained")
axes.scatter(*(1e3 * (values - values.min()) / 10 for values in energies))
axes.set_xlabel(f"{names[0]}: energy above the lowest (meV/atom)")
axes.set_ylabel(f"{names[1]}: energy above the lowest (meV/atom)")
axes.set_title("Twelve orderings, two models: neither is SCAN", fontsize=10)
figure.savefig(FOLDER / "two-models.png", dpi=150)

# %% [markdown]
# ## 3. Between Makers of atomate2
#
# Outputs are jobflow references, so that jobs of both packages join in one flow. atomate2 relaxes the three lowest
# orderings with CHGNet (a few steps only), disolyte samples them by MD.

# %%
relax_maker = ForceFieldRelaxMaker(
    force_field_name="CHGNet", steps=3, relax_cell=False, calculator_kwargs={"use_device": "cpu"}
)
relax_jobs = [relax_maker.make(enumeration.cells[0].structure(i)) for i in range(3)]
sampler = MaceMDSamplerMaker(
    foundation=small,
    protocol=MDProtocol(temperature_k=600.0, time_step_fs=2.0, n_steps=100, record_every=5),
    frames=FrameChoice(n_frames=6, discard_ps=0.02),
)
sample_job = sampler.make([relax_job.output.structure for relax_job in relax_jobs])
run(Flow([*relax_jobs, sample_job]))

sample = results.latest(SampleDoc, load=True)
print(f"{len(sample.frames)} frames of {len(sample.runs)} runs:", *(str(r.verdict.reason) for r in sample.runs))

# %% [markdown]
# ## 4. Labels of your own
#
# A labeller is a Maker whose `make(structure)` returns a `LabelDoc`, or VASP's `TaskDoc`. `LabelMaker` calls it for
# each frame, tries failed ones again, and sets aside what stays without a label. Any code that has an ASE calculator
# takes these lines. The role sends its jobs to the DFT queue; without one they would go to the CPU workers, as light
# work. On a cluster the class must live in a module that the workers can import, not in a notebook.


# %%
@dataclass
class MyStaticMaker(Maker):
    """Label one structure with an ASE calculator; CHGNet 0.3.0 plays the part of your code."""

    name: str = "my static"
    role: ClassVar[Role] = Role.DFT

    def calculator(self) -> Calculator:
        """What computes energy, forces and stress."""
        from chgnet.model.dynamics import CHGNetCalculator

        return CHGNetCalculator(use_device="cpu", verbose=False)

    @job(data=[PAYLOAD_KEY], output_schema=LabelDoc)
    def make(self, structure: Structure) -> LabelDoc:
        """Compute the label."""
        frames = frames_from_structures([structure])
        (atoms,) = frames.to_atoms()
        atoms.calc = self.calculator()
        label = Label(atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress(voigt=False))
        return build_label_doc(
            frames,
            [label],
            label_method="my code, CHGNet 0.3.0",
            is_surrogate=True,
            record=describe_job(caveats=["labels from CHGNet 0.3.0, not from DFT"]),
        )


label_job = LabelMaker(static_maker=MyStaticMaker()).make(sample.frames)
dataset_job = DatasetMaker().make(label_job.output)
run(Flow([label_job, dataset_job]))

dataset = results.latest(DatasetDoc, load=True)
print(f"{dataset.label_method}: {dataset.n_train} / {dataset.n_valid} / {dataset.n_test} frames; {dataset.caveats}")
slope = dataset.consistency
print(
    f"slope of the forces {slope.force_slope:.2f} ± {slope.force_slope_error:.2f} over {slope.n_pairs} pairs of frames"
)

# %% [markdown]
# The quality gate has looked at the numbers: the work of the forces must tell how energies differ, with a slope of 1
# for close frames and somewhat less for hot ones, which catches wrong signs, units and orders of atoms. The dataset
# goes to extended-xyz files, and labels that somebody else made come from such files, in their names and units.
# `disolyte dataset export` and `import` do the same.

# %%
from ase.io import write

from disolyte.errors import DisolyteError
from disolyte.labelling.exchange import read_dataset, write_dataset
from disolyte.labelling.label_files import LabelKeys, read_labels

write_dataset(dataset, FOLDER / "dataset")
assert read_dataset(FOLDER / "dataset").dataset_sha256 == dataset.dataset_sha256

frames = [atoms for split in ("train", "valid", "test") for atoms in dataset.to_atoms(split)]
for atoms in frames:  # as another code might write them
    atoms.info["my_energy"] = atoms.info.pop("REF_energy") / len(atoms)
write(FOLDER / "mine.xyz", frames, write_results=False)

try:
    read_labels([FOLDER / "mine.xyz"], LabelKeys(), label_method="my code", record={})
except DisolyteError as error:
    print(f"{type(error).__name__}: {error}")

keys = LabelKeys(energy="my_energy", energy_per_atom=True)
(labels,) = read_labels([FOLDER / "mine.xyz"], keys, label_method="my code", is_surrogate=True, record={})
print(f"{labels.n_labelled} labels by {labels.label_method!r}")

# %% [markdown]
# Had the energies been taken per cell, the gate of `DatasetMaker` would have said so:

# %%
wrong = LabelKeys(energy="my_energy")
(labels,) = read_labels([FOLDER / "mine.xyz"], wrong, label_method="my code", is_surrogate=True, record={})
try:
    DatasetMaker.make.original(DatasetMaker(), labels)  # the function in the job, so that its error is seen here
except DisolyteError as error:
    print(f"{type(error).__name__}: {error}")

# %% [markdown]
# ## 5. Powerups
#
# `ScanStaticMaker`, the default labeller, is an atomate2 VASP Maker, so atomate2's powerups change it: alone, inside
# another Maker, or inside a flow.

# %%
label_maker = update_user_incar_settings(LabelMaker(), {"NCORE": 8, "KPAR": 2})
generator = label_maker.static_maker.input_set_generator
print(generator.user_incar_settings, "->", generator.label_settings.label_method)

# %% [markdown]
# What shifts energies shifts the label method with it, and labels of two methods never get into one dataset:

# %%
coarse = update_user_incar_settings(LabelMaker(), {"METAGGA": "R2SCAN", "ENCUT": 680})
print(coarse.static_maker.input_set_generator.label_settings.label_method)

# %% [markdown]
# The files that VASP will read can be looked at before anything is submitted; potentials are only named here, for
# which no licence is needed:

# %%
inputs = generator.get_input_set(enumeration.cells[0].structure(0), potcar_spec=True)
print(inputs.incar)
print(inputs.kpoints)
print("POTCAR:", ", ".join(str(inputs.potcar).split()))

# %% [markdown]
# ## 6. Routing
#
# Each Maker states a role, atomate2's too. `assign_workers` gives jobs the manager configuration of their role, and so
# it does to jobs that other jobs make later, such as the single points of `LabelMaker`.

# %%
flow = Flow([relax_maker.make(enumeration.cells[0].structure(0)), label_maker.make(sample.frames)])
assign_workers(flow, {role: {"_category": role} for role in ("cpu", "gpu", "dft")})
for routed, _ in flow.iterflow():
    print(f"{routed.name}: {routed.config.manager_config}")
print(f"and each {label_maker.static_maker.name}: {role_of(label_maker.static_maker)}")

# %% [markdown]
# `by_name={"SCAN": "gpu"}` overrules roles by the names of jobs. How such a flow gets to queues is told in [From
# laptop to cluster](6_laptop_to_cluster.py).
