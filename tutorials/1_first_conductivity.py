# %% [markdown]
# # First conductivity
#
# `disolyte quickstart` takes a lithium halide from its disordered crystal structure to an ionic conductivity in one
# command. Here the same flow is made in Python, still smaller, and looked at figure by figure: what each stage is
# given, what it hands on, and how far the result can be trusted.
#
# ```{admonition} What is real here, and what stands in
# :class: warning
# Every stage is the real one. The **foundation model** is `disolyte-small`, a MACE model of the package that learnt
# from CHGNet; the paper takes MACE-MP-0a. The **labels** come from CHGNet's r2SCAN weights; the paper takes SCAN by
# VASP. Cells and runs are as small as a laptop's minute asks for. So the numbers below show the way, **they are not
# those of the material**: a real campaign would find other energies, another diffusivity and another activation
# energy. Each document and figure says so by itself.
# ```

# %%
import warnings
from dataclasses import replace
from pathlib import Path

from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore

from disolyte import EnumerationDoc, Results
from disolyte.diffusion.schedule import LengthRule
from disolyte.flows.quickstart import quickstart_flow_maker, quickstart_system
from disolyte.plots import plot_arrhenius, plot_hull, plot_msd, plot_parity, plot_training
from disolyte.results import summarise
from disolyte.results.report import draw_figures, render_report
from disolyte.results.tracing import trace_document

warnings.simplefilter("ignore")  # other packages', about themselves
FOLDER = Path("first-conductivity")
FOLDER.mkdir(exist_ok=True)


def show(figure, name):
    """Write a figure to a file, for scripts, and hand it on, for notebooks."""
    figure.savefig(FOLDER / f"{name}.png")
    return figure


# %% [markdown]
# ## The material
#
# Li3In(x)Y(1-x)Br(6y)Cl(6-6y) is one crystal with three disordered sublattices: lithium fills three quarters of two
# positions (4g and 4h), indium and yttrium share one, bromine and chlorine another. The quickstart takes four
# compositions of the paper's eleven: the three corners of the triangle, and the middle of
# one edge, the best conductor of the paper.

# %%
system = quickstart_system()
print(system.title)
for label, occupancies in system.sublattices():
    print(f"  sublattice {label}: {occupancies}")
for point in system.points():
    print(f"  {point.formula} at {point.coordinates}")

# %% [markdown]
# ## The flow
#
# A flow is made by a Maker whose fields are the Makers of its stages. `DisorderedElectrolyteFlowMaker()` is the
# published protocol; `quickstart_flow_maker()` is the same with small numbers. Each setting can be changed before
# `make`:

# %%
maker = quickstart_flow_maker()
training = maker.training_set_maker

# Enumerate: of each composition, the orderings of lowest electrostatic energy, and some that differ much.
training.enumeration_maker = replace(training.enumeration_maker, n_lowest=10, n_diverse=10)
training.selection_maker.n_select = 6

# Sample: 0.3 ps of MD at 800 K for each selected structure, six frames of each.
sampler = training.sampling_maker.sampler
sampler.protocol = sampler.protocol.model_copy(update={"n_steps": 150})
sampler.frames = sampler.frames.model_copy(update={"n_frames": 6, "discard_ps": 0.1})

# Fine-tune: a few epochs in small steps, for so few frames.
maker.finetune_maker.options = maker.finetune_maker.options.model_copy(update={"max_num_epochs": 6, "lr": 0.002})
maker.finetune_maker.replay = maker.finetune_maker.replay.model_copy(update={"n_frames": 20})

# Diffuse: one composition, two cells with 40 atoms, 2.4 ps in steps of 3 fs at each of three temperatures.
maker.diffusion_formulas = ["Li3InCl6"]
maker.diffusion_maker = replace(maker.diffusion_maker, temperatures_k=(800.0, 900.0, 1000.0), supercell=(2, 1, 1))
maker.diffusion_maker.schedule = maker.diffusion_maker.schedule.model_copy(
    update={"lengths": LengthRule.uniform(length_ps=2.4, discard_ps=0.3), "time_step_fs": 3.0}
)

flow = maker.make(system)
print(f"{flow.name}: {sum(1 for _ in flow.iterflow())} jobs, and those that they will make")

# %% [markdown]
# Nothing has been computed yet: `make` only checks that the parts fit, and wires jobs. `run_locally` runs them, here,
# one after another. The documents go to a job store; `Results` asks it. (On a cluster the same flow goes to FireWorks:
# see *From laptop to cluster*.)

# %%
store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
run_locally(flow, store=store, create_folders=True, root_dir=FOLDER / "jobs", ensure_success=True, log=False)
results = Results(store)

# %% [markdown]
# ## Orderings
#
# The disorder of each composition stands for a number of distinct ordered cells. They are counted exactly, and a few
# of them are kept: no model is needed so far, only point charges.

# %%
for enumeration in results.documents(EnumerationDoc):
    cell = enumeration.cells[0]
    print(
        f"{enumeration.point.formula:20s} {enumeration.n_raw[0]:>6d} ways to fill the cell,"
        f" {enumeration.n_distinct[0]:>5d} distinct by symmetry, {len(cell.energies_ev)} kept"
    )

# %% [markdown]
# ## The hull of the foundation, and the selection
#
# `RankingMaker` takes the energy of every ordering with the foundation model, `HullSelectionMaker` builds the convex
# hull and draws structures with the weight exp(−E_hull / k_B T) at 800 K; the lowest one of each composition is always
# in. In the triangle a solid rim means stable, a dashed one metastable, against the three corners.

# %%
selection = results.selection()
print(f"{len(selection.entries)} of {selection.n_candidates} structures selected at {selection.temperature_k:g} K")
for entry in selection.entries:
    print(f"  {entry.family:24s} {1e3 * entry.e_hull_ev_per_atom:6.1f} meV/atom above the hull")
show(plot_hull(selection), "hull-of-the-foundation")

# %% [markdown]
# Orderings are taken as they are built, unrelaxed, in cells interpolated between the parents'. For science relax them:
# `RankingMaker(relaxation=RelaxationProtocol(kind="positions"))`.
#
# ## The training set
#
# MD with the foundation shakes the selected structures; frames are drawn at random and strained by up to 3 %, then
# labelled. The quality gate sets aside what cannot be right, and the split keeps all frames of one structure together,
# so that the test frames are of structures the model has never seen.

# %%
dataset = results.dataset()
print(f"labels: {dataset.label_method}")
print(f"{dataset.n_train} frames to train, {dataset.n_valid} to validate, {dataset.n_test} to test")
print(f"{len(dataset.quarantine)} frames set aside; dataset {dataset.dataset_sha256[:12]}")

# %% [markdown]
# ## Fine-tuning
#
# Two heads are trained at once: `target` learns the labels, `pt_head` keeps what the foundation knew (multi-head
# fine-tuning, as in the paper). Six epochs on a handful of frames: the errors of the forces fall, and nothing
# converges. The paper trains up to 500 epochs on about 2500 frames.

# %%
model = results.model(load=True)
show(plot_training(model), "training")

# %% [markdown]
# The parity of test frames is the honest measure: model against label, for frames that were never trained on. The RMSE
# of the foundation itself, with its energies shifted to the labels' zero, stands beside it.

# %%
show(plot_parity(model), "parity")

# %% [markdown]
# ## The hull of the fine-tuned model
#
# All candidates are ranked anew with the fine-tuned model. How much two models disagree is itself a result: here, a
# model trained on a few dozen frames against the one it came from.

# %%
diagram = results.phase_diagram()
agreement = diagram.agreement
print(f"same ground state as {agreement.reference_model} for {agreement.ground_states_kept} of "
      f"{agreement.n_compositions} compositions; Kendall's tau {agreement.kendall_tau:.2f}")  # fmt: skip
show(plot_hull(diagram), "hull-of-the-fine-tuned-model")

# %% [markdown]
# ## Motion
#
# Mean squared displacements of lithium (left) and of the framework (right). Diffusion shows as a slope of one in the
# double-logarithmic plot; the bars mark the range of lag times that was fitted. The framework must stay flat: if it
# does not, the crystal melts.

# %%
transport = results.transport("Li3InCl6", load=True)[0]
show(plot_msd(transport), "displacements")

# %% [markdown]
# ## The Arrhenius line, and whether to believe it
#
# Every diffusivity comes with an error and a verdict. Twelve lithium ions during two picoseconds cannot give a
# converged one; disolyte then says so, names the reasons, and draws open markers, arrows where ions hardly left their
# sites and only an upper limit is known, and crosses where atoms came so close that the run was ended and left out: a
# model of so few frames has its holes.

# %%
show(plot_arrhenius([transport]), "arrhenius")

# %%
print(f"verdict: {transport.verdict}")
for reason in transport.reasons:
    print(f"  - {reason}")
for run in transport.runs:
    low, high = run.conductivity_ci95_s_per_cm
    print(f"  {run.temperature_k:g} K: {low:.2g} to {high:.2g} S/cm (95 %), {run.verdict}")

# %% [markdown]
# With intervals so wide the slope of the line means nothing; from one set of seeds to the next it may change its sign.
# Do not write such a number into a paper: not the value, and not the activation energy. The interval only tells the
# statistics of this little run of this little model; that both differ from the material is in the caveats:

# %%
for caveat in transport.caveats:
    print(f"caveat: {caveat}")

# %% [markdown]
# ## Where a number comes from, and the report
#
# Documents name their inputs by uuid and hash. The report holds the figures above, the table, the caveats and the
# trace in one HTML page; `disolyte quickstart` writes the same.

# %%
for row in summarise(results):
    print(f"{row.formula:20s} {1e3 * row.e_hull_ev_per_atom:5.1f} meV/atom above the hull; transport: {row.verdict}")


def tell(node, depth=0):
    """Print a document and those that it was made from."""
    print("  " * depth + node.kind, *node.names.values())
    for part in node.inputs:
        if not part.is_repeated:
            tell(part, depth + 1)


tell(trace_document(results, transport.uuid))
report = FOLDER / "report.html"
report.write_text(render_report(results, list(draw_figures(results))), encoding="utf-8")
print(f"written: {report}")

# %% [markdown]
# ## With the paper's ingredients
#
# | | here | in the paper |
# |---|---|---|
# | compositions | 4 | 11 (`get_system("liybc")`) |
# | cells | 20 atoms | 20 to 80 atoms for orderings, 2×2×2 cells for MD |
# | foundation | `disolyte-small` | MACE-MP-0a medium (`ModelSource()`, the default) |
# | labels | CHGNet r2SCAN | SCAN by VASP (`ScanStaticMaker`, the default) |
# | frames | 36 | about 2500 |
# | MD for diffusion | 2.4 ps | 500 ps to 1 ns at each temperature |
#
# MACE-MP-0a and SCAN should move the hull by some meV/atom, which decides what is stable; two orders of magnitude more
# MD should shrink the error bars tenfold, so that verdicts of `converged` can be had. What to change is in *From
# laptop to cluster*; the halides at length in *LIYBC*.
