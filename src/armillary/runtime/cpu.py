"""Which compiled variant of a kernel this processor runs.

A kernel is compiled from one source several times: ``kernel`` for any processor
and ``kernel_v3`` with AVX2. The variants give the same bits (no contraction, no
reassociation), so the choice is one of speed only.
"""

from __future__ import annotations

import functools
import importlib
import os
from types import ModuleType

from ..plugins.errors import SettingError

#: Variant -> processor features that it needs, by NumPy's names; best first.
VARIANTS = {"v3": ("AVX2", "FMA3"), "baseline": ()}


@functools.cache
def variant() -> str:
    """The variant in use: ``ARMILLARY_CPU``, or the best that was built and can run.

    Raises
    ------
    SettingError
        If ``ARMILLARY_CPU`` names a variant that was not built or cannot run here.
    """
    asked = os.environ.get("ARMILLARY_CPU", "").strip()
    usable = [name for name in VARIANTS if name in built_variants() and _runs_here(name)]
    if not asked:
        return usable[0]
    if asked not in usable:
        raise SettingError(
            f"ARMILLARY_CPU={asked!r} cannot be used here; {' or '.join(usable)} can"
        )
    return asked


def built_variants() -> tuple[str, ...]:
    """The variants that this installation was built with."""
    try:
        from .. import _build_info
    except ImportError:
        return ("baseline",)
    return tuple(_build_info.VARIANTS)


def _runs_here(name: str) -> bool:
    # NumPy probes the processor at import; the table is private but has had this
    # name since 1.20 (through numpy.core until 2.0), and np.show_runtime prints it.
    features = _numpy_features()
    return all(features.get(feature, False) for feature in VARIANTS[name])


def _numpy_features() -> dict[str, bool]:
    try:
        from numpy._core._multiarray_umath import __cpu_features__
    except ImportError:
        return {}
    return dict(__cpu_features__)


@functools.cache
def load_kernel(package: str) -> ModuleType:
    """The variant in use of the kernel of a package."""
    return kernel_module(package, variant())


def kernel_module(package: str, name: str) -> ModuleType:
    """One variant of the kernel of a package."""
    suffix = "" if name == "baseline" else f"_{name}"
    return importlib.import_module(f"{package}.kernel{suffix}")
