"""Units of every field, and the few constants that convert between them.

Fields and arguments end in their unit. Inside disolyte these are the only ones:

======================  =====================  ============================================
quantity                unit                   suffix
======================  =====================  ============================================
energy                  eV                     ``_ev``, ``_ev_per_atom``, ``_ev_per_fu``
force                   eV/Å                   ``_ev_per_ang``
stress                  eV/Å³, tension > 0     ``_ev_per_ang3``
drift of an energy      eV/atom/ps             ``_ev_per_atom_per_ps``
length, squared, cubed  Å, Å², Å³              ``_ang``, ``_ang2``, ``_ang3``, ``_ang3_per_fu``
angle                   degrees                ``_deg``
wave vector             1/Å, 2π included       ``_per_ang``
time                    fs, ps; s of a clock   ``_fs``, ``_ps``, ``_s``
rate                    1/ps; 1/s of a clock   ``_per_ps``, ``_per_s``
temperature             K                      ``_k``
charge                  elementary charges     ``_e``
heat capacity           k_B per formula unit   ``_kb_per_fu``
diffusivity             cm²/s                  ``_cm2_per_s``
conductivity            S/cm                   ``_s_per_cm``
======================  =====================  ============================================

The stress sign is ASE's: positive under tension. VASP prints kbar with the other sign.
"""

from __future__ import annotations

from typing import Final

from scipy import constants

BOLTZMANN_EV_PER_K: Final = constants.k / constants.e
"""Boltzmann constant, eV/K (exact in the SI of 2019)."""

CM2_PER_S_PER_ANG2_PER_FS: Final = 0.1
"""1 Å²/fs = 10⁻¹⁶ cm² / 10⁻¹⁵ s = 0.1 cm²/s."""

EV_PER_ANG3_PER_KBAR: Final = 1e8 / constants.e * 1e-30
"""1 kbar = 10⁸ Pa, in eV/Å³."""


def nernst_einstein_s_per_cm(
    diffusivity_cm2_per_s: float, *, n_ions: int, charge: float, volume_ang3: float, temperature_k: float
) -> float:
    r"""Conductivity from a diffusivity, :math:`\sigma = N q^2 D / (V k_B T)`.

    Parameters
    ----------
    diffusivity_cm2_per_s
        Tracer diffusivity (then the Haven ratio is taken as 1) or charge diffusivity.
    n_ions
        Number of mobile ions in the cell.
    charge
        Charge of one ion, in elementary charges.
    volume_ang3
        Volume of the cell.
    temperature_k
        Temperature.

    Returns
    -------
    float
        Conductivity, S/cm.

    Examples
    --------
    >>> sigma = nernst_einstein_s_per_cm(1e-5, n_ions=6, charge=1, volume_ang3=400.0, temperature_k=800.0)
    >>> round(sigma, 4)
    0.3486
    """
    number_density_per_cm3 = n_ions / volume_ang3 * 1e24
    charge_coulomb = charge * constants.e
    return number_density_per_cm3 * charge_coulomb**2 * diffusivity_cm2_per_s / (constants.k * temperature_k)
