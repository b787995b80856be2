"""What the benchmark ran on, and with which versions."""

from __future__ import annotations

import os
import platform
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import armillary
from armillary.runtime.cpu import variant

PACKAGES = (
    "armillary-peers",
    "numpy",
    "astropy",
    "gerbls",
    "pykdtree",
    "scipy",
    "photutils",
    "pyarrow",
    "pyuvdata",
    "python-casacore",
    "h5py",
)

#: More runnable processes than this, for each processor, disturb what is measured.
BUSY = 0.5


def machine() -> dict[str, str]:
    """Name -> value, ready to be printed."""
    return {
        "date": date.today().isoformat(),
        "processor": processor(),
        "processors": str(os.cpu_count()),
        "CPU variant": variant(),
        "python": platform.python_version(),
        "armillary": armillary.__version__,
        **{name: found for name in PACKAGES if (found := installed(name))},
    }


def processor() -> str:
    """The name of the processor, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def installed(package: str) -> str:
    """The version of a package, or an empty string."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def disturbance() -> str:
    """A sentence if other work runs beside the benchmark, or an empty string."""
    if not hasattr(os, "getloadavg"):
        return ""
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    if load <= BUSY:
        return ""
    return f"other work runs here (load {load:.1f} a processor): take these figures as noisy"
