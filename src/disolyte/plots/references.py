"""Lines from elsewhere in an Arrhenius plot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from disolyte import units
from disolyte.diffusion.references import ReferenceKind, ReferenceLine
from disolyte.diffusion.schema import TransportDoc
from disolyte.plots.style import COLOURS, INK, pretty_formula

_DASHES: Final = {
    ReferenceKind.EXPERIMENT: (0, (6, 2)),
    ReferenceKind.AIMD: (0, (3, 1, 1, 1)),
    ReferenceKind.MODEL: (0, (1, 1.5)),
}


def draw_references(axes: Axes, docs: Sequence[TransportDoc], references: Sequence[ReferenceLine]) -> list[Line2D]:
    """Draw reference lines over the temperatures shown; returns their legend."""
    temperatures = [run.temperature_k for doc in docs for run in doc.runs]
    inverse = np.linspace(1 / max(temperatures), 1 / min(temperatures), 50)
    limits = axes.get_ylim()
    handles = []
    for line in references:
        number, doc = next(((k, doc) for k, doc in enumerate(docs) if _is_of(line, doc)), (len(docs), None))
        anchor = _middle(doc) if line.conductivity_s_per_cm is None else (None, None)
        if line.conductivity_s_per_cm is None and anchor[0] is None:
            continue
        colour = COLOURS[number % len(COLOURS)] if doc is not None else INK
        values = [line.conductivity_at(1 / x, *anchor) for x in inverse]
        axes.plot(1e3 * inverse, values, linestyle=_DASHES[line.kind], color=colour, linewidth=1.0, zorder=2.5)
        slope_only = ", slope only" if line.conductivity_s_per_cm is None else ""
        name = " ".join(filter(None, [line.phase, pretty_formula(line.formula)]))
        label = f"{name}, {line.kind.value}: {line.activation_energy_ev:.2f} eV{slope_only}"
        handles.append(Line2D([], [], linestyle=_DASHES[line.kind], color=colour, linewidth=1.0, label=label))
    axes.set_ylim(limits)
    return handles


def _is_of(line: ReferenceLine, doc: TransportDoc) -> bool:
    """Whether both are of one phase, or one of them does not say which."""
    return line.formula == doc.formula and (not line.phase or doc.phase in {"", line.phase})


def _middle(doc: TransportDoc | None) -> tuple[float | None, float | None]:
    """Point in the middle of a composition's line: temperature and conductivity."""
    if doc is None or doc.arrhenius is None:
        return None, None
    used = [run for run in doc.runs if run.is_in_fit]
    temperature_k = 1.0 / float(np.mean([1 / run.temperature_k for run in used]))
    diffusivity = doc.arrhenius.to_fit().extrapolate(temperature_k).diffusivity_cm2_per_s
    first = used[0]
    conductivity = units.nernst_einstein_s_per_cm(
        diffusivity,
        n_ions=first.n_mobile,
        charge=first.charge,
        volume_ang3=first.volume_ang3,
        temperature_k=temperature_k,
    )
    return temperature_k, conductivity
