"""The diffusivity tensor with its covariance: planes, and the directions of fastest and slowest diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from disolyte.diffusion.msd import PAIRS
from disolyte.errors import TransportError

N_DRAWS: Final = 400
"""Tensors drawn to find the errors of principal values and directions."""

MIN_WALKERS: Final = 4
"""Fewest ions whose scatter is taken for an error."""

_VOIGT: Final = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])


class PlanarDiffusivity(NamedTuple):
    """Diffusivity within a plane, (tr D − n·D·n)/2, and its standard error."""

    diffusivity_cm2_per_s: float
    std_cm2_per_s: float


@dataclass(frozen=True)
class PrincipalAxes:
    """Principal diffusivities, largest first.

    Attributes
    ----------
    values_cm2_per_s, stds_cm2_per_s : (3,)
        Eigenvalues of the tensor and their standard errors.
    directions : (3, 3)
        Rows are Cartesian unit vectors.
    angle_stds_deg : (3,)
        How far each direction strays, as a root mean square angle; near 50° and more a direction means nothing.
    """

    values_cm2_per_s: NDArray[np.float64]
    stds_cm2_per_s: NDArray[np.float64]
    directions: NDArray[np.float64]
    angle_stds_deg: NDArray[np.float64]


@dataclass(frozen=True)
class TensorEstimate:
    """A symmetric tensor and the covariance of its six components, in Voigt's order.

    Attributes
    ----------
    components : (6,)
        xx, yy, zz, yz, xz, xy; cm²/s.
    covariance : (6, 6)
        (cm²/s)².
    """

    components: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @classmethod
    def from_walkers(cls, walkers: NDArray[np.float64], mean: float, mean_std: float) -> TensorEstimate:
        """Tensor of independent walkers, brought to a mean diffusivity that is known better than the walkers tell.

        Parameters
        ----------
        walkers : (n_walkers, 6)
            Tensor of each ion.
        mean, mean_std
            Third of the trace of the tensor, and its standard error.
        """
        n = len(walkers)
        components = walkers.mean(axis=0)
        trace = float(components[:3].sum()) / 3
        if trace > 0 and mean > 0:
            walkers, components = walkers * (mean / trace), components * (mean / trace)
        if n < MIN_WALKERS:
            return cls(components, np.diag([3.0] * 3 + [1.5] * 3) * mean_std**2)
        covariance = np.atleast_2d(np.cov(walkers.T)) / n
        of_mean = float(covariance[:3, :3].sum()) / 9
        return cls(components, covariance * (mean_std**2 / of_mean if of_mean > 0 else 0.0))

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The tensor, shape (3, 3)."""
        return self.components[_VOIGT]

    @property
    def matrix_std(self) -> NDArray[np.float64]:
        """Standard error of each component, shape (3, 3)."""
        return np.sqrt(np.diag(self.covariance))[_VOIGT]

    def in_plane(self, normal: ArrayLike) -> PlanarDiffusivity:
        """Diffusivity within the plane that has the Cartesian ``normal``, of any length.

        Raises
        ------
        TransportError
            If the normal is no direction.
        """
        unit = unit_normal(normal)
        # (tr D - n.D.n)/2 as a linear functional of the components; off-diagonal ones count twice.
        functional = np.array([(float(a == b) - (1 if a == b else 2) * unit[a] * unit[b]) / 2 for a, b in PAIRS])
        variance = float(functional @ self.covariance @ functional)
        return PlanarDiffusivity(float(functional @ self.components), float(np.sqrt(max(variance, 0.0))))

    def principal_axes(self, seed: int = 0) -> PrincipalAxes:
        """Principal values and directions, with errors from tensors drawn about this one."""
        values, vectors = np.linalg.eigh(self.matrix)
        values, directions = values[::-1], vectors.T[::-1]
        leading = np.abs(directions).argmax(axis=1)
        directions = directions * np.sign(directions[np.arange(3), leading])[:, None]
        noise = np.random.default_rng(seed).standard_normal((N_DRAWS, 6))
        eigenvalues, axes = np.linalg.eigh(self.covariance)
        drawn = self.components + (noise * np.sqrt(np.clip(eigenvalues, 0.0, None))) @ axes.T
        drawn_values, drawn_vectors = np.linalg.eigh(drawn[:, _VOIGT])
        cosines = np.abs(np.einsum("dxk,kx->dk", drawn_vectors[:, :, ::-1], directions))
        angles = np.degrees(np.arccos(np.clip(cosines, 0.0, 1.0)))
        return PrincipalAxes(values, drawn_values[:, ::-1].std(axis=0), directions, np.sqrt((angles**2).mean(axis=0)))


def unit_normal(normal: ArrayLike) -> NDArray[np.float64]:
    """Cartesian direction of length 1.

    Raises
    ------
    TransportError
        If it is not three finite numbers, or all are zero.
    """
    direction = np.asarray(normal, dtype=np.float64)
    length = float(np.linalg.norm(direction))
    if direction.shape != (3,) or not np.isfinite(length) or length == 0:
        raise TransportError(f"the normal of a plane must be three numbers, not all zero; got {normal!r}")
    return direction / length


def plane_normal(lattice_ang: ArrayLike, hkl: ArrayLike) -> NDArray[np.float64]:
    """Cartesian normal of the plane with Miller indices ``hkl``, of length 1.

    Parameters
    ----------
    lattice_ang : (3, 3)
        Rows are the cell vectors.
    hkl
        Three numbers, not all zero; (0, 0, 1) is the plane ab, (0, 1, 0) is ac.
    """
    indices = np.asarray(hkl, dtype=np.float64)
    if indices.shape != (3,) or not np.isfinite(indices).all() or not indices.any():
        raise TransportError(f"a plane has three Miller indices, not all zero; got {hkl!r}")
    return unit_normal(np.linalg.inv(np.asarray(lattice_ang, dtype=np.float64)) @ indices)


def planar_diffusivity(tensor: ArrayLike, normal: ArrayLike) -> float:
    """Diffusivity in the plane perpendicular to ``normal``.

    Parameters
    ----------
    tensor : (3, 3)
        Diffusivity tensor.
    normal : (3,)
        Cartesian normal of the plane, of any length.

    Examples
    --------
    >>> planar_diffusivity(np.diag([3.0, 1.0, 0.0]), [0, 0, 1])
    2.0
    """
    matrix, unit = np.asarray(tensor, dtype=np.float64), unit_normal(normal)
    return float((np.trace(matrix) - unit @ matrix @ unit) / 2)
