# %% [markdown]
# # LIYBC: mixed halides
#
# Li3In(x)Y(1-x)Br(6y)Cl(6-6y), Figures 4 and 5 of the paper: which mixtures are stable, how well they conduct, where
# lithium goes, and by which ways: within the planes of its sites (4h–4h) and across them (4h–4g–4h).
#
# ```{admonition} What is real here, and what stands in
# :class: warning
# All energies and forces come from `disolyte-small`, a small model that learnt from CHGNet; nothing is fine-tuned. The
# paper fine-tunes MACE-MP-0a on SCAN labels, ranks 2000 orderings of each composition in cells of up to 80 atoms, and
# runs 500 ps of MD in 2×2×2 cells; here it is a handful of orderings, unrelaxed, and a few picoseconds of 20 atoms. So
# the maps below **show the method; no number in them is the material's**. The paper finds all compositions within 3
# meV/atom of the hull, and conductivities at 800 K of 0.30 to 0.62 S/cm.
# ```

# %%
import warnings
from pathlib import Path

from jobflow import Flow, JobStore, run_locally
from maggma.stores import MemoryStore

from disolyte import (
    DiffusionMaker,
    EnumerationMaker,
    HullSelectionMaker,
    MechanismDoc,
    MechanismMaker,
    ModelSource,
    RankingMaker,
    Results,
    get_system,
)
from disolyte.diffusion.makers import DiffusionMDMaker
from disolyte.diffusion.schedule import LengthRule, MDSchedule
from disolyte.dynamics import Thermostat
from disolyte.plots import (
    plot_density,
    plot_isosurface,
    plot_jump_network,
    plot_planar_table,
    plot_ternary_map,
)
from disolyte.systems import disordered_structure

warnings.simplefilter("ignore")  # other packages', about themselves
FOLDER = Path("liybc")
FOLDER.mkdir(exist_ok=True)
store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
results = Results(store)
small = ModelSource(name="disolyte-small")


def run(jobs):
    """Run jobs here and now."""
    flow = Flow(jobs)
    run_locally(flow, store=store, create_folders=True, root_dir=FOLDER / "jobs", ensure_success=True, log=False)


def show(figure, name):
    """Write a figure to a file, for scripts, and hand it on, for notebooks."""
    figure.savefig(FOLDER / f"{name}.png")
    return figure


# %% [markdown]
# ## Stability
#
# The eleven compositions of the paper's grid, each in the smallest cell that holds it: a quarter of indium needs
# 1×1×2. The ten orderings of lowest electrostatic energy, found among up to sixty million distinct ones, are ranked by
# the model.

# %%
system = get_system("liybc")
jobs, rankings = [], []
for point in system.points():
    supercell = (1, 1, 2) if point.coordinates["x"] == 0.25 else (1, 1, 1)
    enumeration = EnumerationMaker(n_lowest=10, n_diverse=0).make(
        disordered_structure(system, point), point=point, supercells=[supercell], system_key=system.key
    )
    ranking = RankingMaker(foundation=small, n_candidates=10).make(enumeration.output)
    jobs += [enumeration, ranking]
    rankings.append(ranking.output)
select = HullSelectionMaker(n_select=22).make(rankings, [point.formula for point in system.end_member_points()])
run([*jobs, select])

selection = results.selection()
show(plot_ternary_map(selection), "stability")

# %% [markdown]
# Solid rims are on the hull of this model, dashed ones above it. Ten unrelaxed orderings are too few to find the
# ground state of a mixture, and unrelaxed mixtures of ions of different size lie too high. A fairer map takes
# `EnumerationMaker()` with its 2200 orderings, `RelaxationProtocol(kind="cell")` in the ranking, and in the end
# `PhaseDiagramMaker` with the fine-tuned model; `plot_lattice_constants` then shows the relaxed cells as well.
#
# ## Conductivity at 1100 K
#
# Four compositions: the corners, and the best one of the paper, at the highest temperature of the paper, where most
# happens in a short time; above it the halides melt. Several short runs from different velocities (`n_seeds`) are
# pooled, which is cheap because they share passes of the model. `MechanismMaker` rides along: it is given the host,
# with all positions of lithium, whose Wyckoff letters name the sites.


# %%
def diffuse(formula, n_seeds, length_ps):
    """Flow from the ground state of a composition to its diffusion, sites and ways at 1100 K."""
    ground_state = next(entry for entry in selection.ground_states() if entry.point.formula == formula)
    schedule = MDSchedule(
        lengths=LengthRule.uniform(length_ps=length_ps, discard_ps=0.3),
        time_step_fs=3.0,
        thermostat=Thermostat.BUSSI,
        record_interval_fs=15.0,
        n_seeds=n_seeds,
    )
    maker = DiffusionMaker(
        temperatures_k=(1100.0,),
        supercell=(1, 1, 1),
        schedule=schedule,
        md_maker=DiffusionMDMaker(foundation=small),
        mechanism_maker=MechanismMaker(hub="4h"),
    )
    host = disordered_structure(system, ground_state.point)
    return maker.make(ground_state.structure, point=ground_state.point, host=host)


BEST = "Li3In0.5Y0.5Br3Cl3"
corners = [diffuse(point.formula, n_seeds=2, length_ps=0.9) for point in system.end_member_points()]
run([*corners, diffuse(BEST, n_seeds=10, length_ps=2.4)])

values, limits, unreliable = {}, [], []
for transport in results.transport():
    (at_1100_k,) = transport.runs
    low, high = at_1100_k.conductivity_ci95_s_per_cm
    values[transport.formula] = at_1100_k.conductivity_s_per_cm
    if transport.verdict == "upper_limit":
        limits.append(transport.formula)
    if transport.verdict == "unreliable":
        unreliable.append(transport.formula)
    print(f"{transport.formula:20s} {low:.2g} to {high:.2g} S/cm (95 %), {transport.verdict}")

# %% [markdown]
# The verdicts say what these are: a picosecond or two tell nothing about which composition conducts best. The map is
# drawn to show how it is drawn: colours by any quantity, white where there is none or only a limit, hatched where the
# value is unreliable; here none is left to colour. The paper's map colours the plane by its conductivities at 800 K
# and the points by their activation energies, from four temperatures.

# %%
label = "Conductivity at 1100 K (S/cm)"
figure = plot_ternary_map(
    selection, values, value_label=label, log_scale=True, upper_limits=limits, unreliable=unreliable
)
show(figure, "conductivity")

# %% [markdown]
# ## Where lithium is
#
# The density of lithium, averaged over the runs and folded onto the host's cell, with the sites: 4g between the
# planes, 4h in them, and interstitials, which are maxima of the density away from the host's positions.

# %%
mechanism = next(doc for doc in results.documents(MechanismDoc, load=True) if doc.formula == BEST)
show(plot_density(mechanism, 1100.0), "density")

# %% [markdown]
# The same as an isosurface at the paper's 10⁻⁴ Å⁻³.

# %%
show(plot_isosurface(mechanism, 1100.0), "isosurface")

# %% [markdown]
# ## Ways: within a plane and between planes
#
# Each ion is followed from site to site. Rates between kinds of sites make the network on the left. On the right are
# the ways between two visits of 4h: *intraplane* ones go from 4h to 4h, through interstitials or not; *interplane*
# ones go through 4g. The paper describes both, 4h–4h in the plane and 4h–4g–4h across. A handful of ways tells that
# they exist, not how often each is taken.

# %%
show(plot_jump_network(mechanism, 1100.0), "ways")

# %%
at_1100_k = mechanism.at(1100.0)
for way in at_1100_k.passages:
    print(f"{way.name:12s} {way.path:20s} seen {way.n_passages} times, {way.n_returns} times back to the start")
for path in at_1100_k.paths:
    print(f"along {path.axis}: {' – '.join(path.labels)}")
if not at_1100_k.paths:
    print("no path percolates through the cell: too few jumps were seen")

# %% [markdown]
# ## In planes and in space
#
# With n = 2 the Einstein relation gives a diffusivity within a plane. The paper compares *ab* and *ac* with the whole
# and finds no clear preference, within half an order of magnitude; here the errors do not allow a statement.

# %%
transport = results.transport(BEST, load=True)[0]
show(plot_planar_table(transport), "planes")

# %% [markdown]
# What speaks against the diffusivity. At 1100 K the framework of this model in so small a cell is about to melt, and
# disolyte looks for that, too: the ions of a melt move, but not by the ways of the crystal.

# %%
for reason in transport.reasons:
    print(f"- {reason}")

# %% [markdown]
# ## With the paper's ingredients
#
# `DisorderedElectrolyteFlowMaker()` on `get_system("liybc")` is the whole of it, `MechanismMaker(hub="4h")` set as
# `diffusion_maker.mechanism_maker`; see [From laptop to cluster](6_laptop_to_cluster.py) for the files. A model
# fine-tuned on SCAN and a thousand times more motion would give maps whose differences between compositions mean
# something, and shares of the ways with errors of a few per cent.
