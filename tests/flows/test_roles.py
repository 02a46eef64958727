"""The jobs of the pipeline, and those that they will make, go where their roles say."""

import pytest

from disolyte.flows import DisorderedElectrolyteFlowMaker
from disolyte.flows.quickstart import quickstart_flow
from disolyte.systems import get_system
from disolyte.workers.roles import Role
from disolyte.workers.routing import assign_workers, role_of

CATEGORIES = {role: {"_category": f"{role}-queue"} for role in Role}
HEAVY = {"rank orderings", "fine-tune model", "phase diagram", "diffusion MD"}


def test_every_job_of_the_quickstart_has_the_category_of_its_role():
    flow = assign_workers(quickstart_flow(), CATEGORIES)
    categories = {job.name: job.config.manager_config["_category"] for job, _ in flow.iterflow()}
    for job, _ in flow.iterflow():
        assert job.config.manager_config == {"_category": f"{role_of(job.maker)}-queue"}, job.name
        assert not job.config.pass_manager_config
    for name, category in categories.items():
        expected = "gpu-queue" if any(name.startswith(heavy) for heavy in HEAVY) else "cpu-queue"
        assert category == expected, name


def test_published_protocol_asks_for_all_three_roles():
    """The labels by VASP are made later, by a CPU job; their role is known beforehand."""
    system = get_system("liybc").restricted_to(["Li3InCl6", "Li3InBr6", "Li3YBr6"])
    flow = assign_workers(DisorderedElectrolyteFlowMaker().make(system), CATEGORIES)
    label = next(job for job, _ in flow.iterflow() if job.name == "label frames")
    assert label.config.manager_config == {"_category": "cpu-queue"}
    queues = {update["config"]["manager_config"]["_category"] for update in label.config_updates}
    assert {"cpu-queue", "dft-queue"} <= queues


def test_composition_that_the_cell_cannot_hold_is_refused_before_any_job():
    from disolyte.errors import CompositionError
    from disolyte.flows.quickstart import quickstart_flow_maker

    system = get_system("liybc").model_copy(
        update={"grid": [{"x": 1.0, "y": 0.0}, {"x": 1.0, "y": 1.0}, {"x": 0.0, "y": 1.0}, {"x": 0.75, "y": 0.25}]}
    )
    system = system.model_copy(update={"supercells": [(1, 1, 1)]})
    maker = quickstart_flow_maker()
    maker.diffusion_formulas = []
    with pytest.raises(CompositionError, match="nearest"):
        maker.make(system)
