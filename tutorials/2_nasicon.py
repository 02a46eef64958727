# %% [markdown]
# # NaSICON: from NaZr2(PO4)3 to Na4Zr2(SiO4)3
#
# Na(1+x)Zr2Si(x)P(3-x)O12, Figure 2 of the paper: thirteen compositions and their hull, a learning curve, conductivity
# and activation energy of Na3Zr2Si2PO12, and the distributions of ions that Monte Carlo finds in a large supercell.
#
# ```{admonition} What is real here, and what stands in
# :class: warning
# Foundation is `disolyte-broad`, a small model that learnt from CHGNet; labels are CHGNet's r2SCAN. The paper
# fine-tunes MACE-MP-0a on about 2500 SCAN labels, ranks thousands of orderings, and runs up to 1 ns in 2×2×2 cells;
# here it is ten orderings, some twenty labels and a picosecond. So **no number below is the material's**. The paper
# finds x = 0, 2 and 3 stable, RMSE of 0.5 meV/atom and 17.5 meV/Å, and 0.08 S/cm at 300 °C for the ground state of
# Na3Zr2Si2PO12.
# ```

# %%
import warnings
from pathlib import Path

from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore

from disolyte import (
    DatasetMaker,
    DiffusionMaker,
    EnumerationMaker,
    HullSelectionMaker,
    LabelMaker,
    LearningCurveDoc,
    LearningCurveMaker,
    MaceMDSamplerMaker,
    ModelSource,
    MonteCarloDoc,
    MonteCarloMaker,
    OrderingSpace,
    RankingMaker,
    Results,
    SurrogateStaticMaker,
    get_system,
)
from disolyte.diffusion.makers import DiffusionMDMaker
from disolyte.diffusion.schedule import LengthRule, MDSchedule
from disolyte.dynamics import MDProtocol, Thermostat
from disolyte.finetuning.makers import FinetuneMaker
from disolyte.finetuning.options import FinetuneOptions, ReplayOptions
from disolyte.plots import plot_arrhenius, plot_hull, plot_learning_curve, plot_monte_carlo
from disolyte.sampling import FrameChoice
from disolyte.systems import disordered_structure
from disolyte.thermodynamics.montecarlo import ElectrostaticEnergy, Schedule

warnings.simplefilter("ignore")  # other packages', about themselves
FOLDER = Path("nasicon")
FOLDER.mkdir(exist_ok=True)
store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
results = Results(store)
broad = ModelSource(name="disolyte-broad")


def run(jobs):
    """Run jobs here and now."""
    flow = Flow(jobs)
    run_locally(flow, store=store, create_folders=True, root_dir=FOLDER / "jobs", ensure_success=True, log=False)


def show(figure, name):
    """Write a figure to a file, for scripts, and hand it on, for notebooks."""
    figure.savefig(FOLDER / f"{name}.png")
    return figure


# %% [markdown]
# ## Thirteen compositions
#
# Sodium fills some of the positions 6b and 18e, silicon and phosphorus share 18e. The rhombohedral cell of two formula
# units holds steps of a half in x; the steps of a quarter between them need 1×1×2. How many distinct orderings each
# cell has is counted exactly, without making them:

# %%
system = get_system("nasicon")
cells = {point.formula: (1, 1, 1 if point.coordinates["x"] % 0.5 == 0 else 2) for point in system.points()}
for point in system.points():
    disordered = disordered_structure(system, point)  # ordered at x = 3, where all sites are full
    space = OrderingSpace.from_structure(disordered, supercell=cells[point.formula], allow_ordered=True)
    size = "×".join(map(str, cells[point.formula]))
    print(f"x = {point.coordinates['x']:<5g} {point.formula:28s} {size}: {space.n_distinct:>12,} distinct orderings")

# %% [markdown]
# ## The hull
#
# Of each composition the ten orderings of lowest electrostatic energy are ranked with the model; the hull spans from x
# = 0 to x = 3.

# %%
jobs, rankings = [], []
for point in system.points():
    enumeration = EnumerationMaker(n_lowest=10, n_diverse=0).make(
        disordered_structure(system, point), point=point, supercells=[cells[point.formula]], system_key=system.key
    )
    ranking = RankingMaker(foundation=broad, n_candidates=10).make(enumeration.output)
    jobs += [enumeration, ranking]
    rankings.append(ranking.output)
select = HullSelectionMaker(n_select=26).make(rankings, [point.formula for point in system.end_member_points()])
run([*jobs, select])

selection = results.selection()
show(plot_hull(selection), "hull")

# %% [markdown]
# Circles are the lowest structures, filled where they are on this model's hull. Unrelaxed cells, interpolated between
# the parents', lift all mixtures above the line: ions of different size share sites that fit neither. The paper's
# hull, with x = 2 on it, comes from relaxed structures and a model that learnt SCAN;
# `RankingMaker(relaxation=RelaxationProtocol(kind="positions"))` relaxes, and takes longer.
#
# ## Learning curve
#
# How many labels are enough? Frames are sampled, labelled and split; then models are trained on nested subsets, all
# judged on the same test frames. Here a handful of frames and three epochs; the paper has subsets of up to 2500 and
# trains to convergence.

# %%
sampled = [entry for entry in selection.ground_states() if cells[entry.point.formula] == (1, 1, 1)][::2]
sampler = MaceMDSamplerMaker(
    foundation=broad,
    protocol=MDProtocol(temperature_k=800.0, time_step_fs=2.0, n_steps=75, record_every=5),
    frames=FrameChoice(n_frames=6, discard_ps=0.05),
)
sample = sampler.make(sampled)
label = LabelMaker(static_maker=SurrogateStaticMaker()).make(sample.output)
dataset = DatasetMaker().make(label.output)
trainer = FinetuneMaker(
    foundation=broad,
    options=FinetuneOptions(max_num_epochs=3, batch_size=2, lr=0.003, dtype="float32"),
    replay=ReplayOptions(n_frames=6),
)
curve = LearningCurveMaker(trainer=trainer, sizes=(3, 6, 12), seeds=(0,)).make(dataset.output)
run([sample, label, dataset, curve])

learning = results.latest(LearningCurveDoc)
show(plot_learning_curve(learning), "learning-curve")

# %% [markdown]
# One seed has no spread, so that a wiggle cannot be told from noise; `seeds=(0, 1, 2)`, the default, can. The document
# judges by itself whether more frames would still help.
#
# ## Conductivity and activation energy
#
# The ground state of Na3Zr2Si2PO12, at three temperatures. In less than a picosecond six sodium ions rattle, and
# hardly one leaves its site for good. What looks like displacement is no diffusion then: disolyte gives upper limits,
# drawn as arrows, and no line and no activation energy made of them.

# %%
ground_state = next(entry for entry in selection.ground_states() if entry.point.formula == "Na3Zr2Si2PO12")
diffusion = DiffusionMaker(
    temperatures_k=(800.0, 1000.0, 1200.0),
    supercell=(1, 1, 1),
    schedule=MDSchedule(
        lengths=LengthRule.uniform(length_ps=0.7, discard_ps=0.1),
        time_step_fs=2.0,
        thermostat=Thermostat.BUSSI,
        record_interval_fs=10.0,
    ),
    md_maker=DiffusionMDMaker(foundation=broad),
)
run([diffusion.make(ground_state.structure, point=ground_state.point)])

transport = results.transport("Na3Zr2Si2PO12", load=True)[0]
show(plot_arrhenius([transport]), "arrhenius")

# %%
print(f"verdict: {transport.verdict}")
for reason in transport.reasons:
    print(f"- {reason}")

# %% [markdown]
# Where limits fall as the temperature rises, that is no trend: a limit tells how far ions happened to swing in one
# short run, not how fast they go. A hundred picoseconds at each temperature should turn the arrows into points;
# `schedule=MDSchedule()` makes the paper's 500 ps to 1 ns. There the fine-tuned models meet the measured activation
# energy within 0.02 eV, and plain MACE-MP-0a falls short of it by 0.15 eV: what fine-tuning is for.
#
# ## Monte Carlo
#
# A ground state is one ordering; at the temperature of sintering many occur. Swaps of ions on a large supercell,
# accepted by Metropolis' rule, draw them with their weights. Energies are those of point charges, screened; a cluster
# expansion fitted to a model's energies (`ClusterEnergy`) or the model itself (`ModelEnergy`) may stand instead. The
# paper uses 4×4×4 cells.

# %%
point = system.point("Na3Zr2Si2PO12")
monte_carlo = MonteCarloMaker(
    energy=ElectrostaticEnergy(permittivity=10.0),
    temperature_k=1000.0,
    supercell=(2, 2, 2),
    schedule=Schedule(n_sweeps=200, n_chains=3),
).make(disordered_structure(system, point), point=point)
run([monte_carlo])

walk = results.latest(MonteCarloDoc, load=True)
show(plot_monte_carlo(walk), "monte-carlo")

# %% [markdown]
# Each chain starts at random; the faint part is thrown away as equilibration, and R-hat near 1 says that the chains
# agree. Where sodium sits on average, and the configurations that diffusion would go on from:

# %%
for site in walk.site_occupancies:
    shares = ", ".join(f"{element or 'empty'} {share:.2f}" for element, share in site.occupancies.items())
    print(f"{site.sublattice:3s} at {tuple(round(x, 2) % 1 for x in site.frac_coords)}: {shares}")
for configuration in walk.configurations:
    print(f"chain {configuration.chain + 1}: {configuration.structure.composition.formula}")

# %% [markdown]
# How to read this: a share is the mean over all cells of the supercell, all chains and all sweeps after equilibration.
# A sublattice without any order would show its composition on each of its sites. So it is with silicon and
# phosphorus, two to one; sodium is not spread evenly but fills one kind of site, and the vacancies are on the other.
# Sites that symmetry makes equal ought to have equal shares: the hundredths by which they differ are the error of so
# short a run. And it is what **point charges** with a permittivity of 10 prefer at 1000 K, not what NaSICON does;
# another permittivity acts like another temperature. Each configuration is one sample, the last of its chain, not an
# optimum; `walk.lowest` is the lowest that was seen.
#
# `DiffusionMaker(supercell=(1, 1, 1)).make(monte_carlo.output.configurations[0].structure, ...)` simulates such a
# phase; the paper finds 0.1 S/cm for them instead of 0.08 S/cm, both at 300 °C. The flow at full size is
# `monte_carlo_phases` in {download}`after.py <paper_scale/after.py>`.
#
# ## With the paper's ingredients
#
# | | here | in the paper |
# |---|---|---|
# | foundation, labels | `disolyte-broad`, CHGNet r2SCAN | MACE-MP-0a, SCAN |
# | orderings of a composition | 10, unrelaxed | thousands |
# | labels | some 20 | about 2500 |
# | MD | 0.7 ps of one cell | 500 ps to 1 ns of 2×2×2 cells |
# | Monte Carlo | point charges, 2×2×2 | 4×4×4 |
#
# `python makers.py nasicon` of {download}`makers.py <paper_scale/makers.py>` writes the settings; [From laptop to
# cluster](6_laptop_to_cluster.py) says what to do with them.
