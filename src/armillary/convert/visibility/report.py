"""What became of files of visibilities."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..._words import counted
from ...plugins.records import Provenance


@dataclass(frozen=True, slots=True)
class ObservationReport:
    """One output.

    Attributes
    ----------
    out : Path
    inputs : tuple of Path
    first_time : float
        Modified Julian date (UTC) of the first integration.
    n_times, n_baselines, n_rows, n_channels, n_polarizations : int
        Rows are baselines times integrations; channels are those of all spectral windows.
    missing : tuple of str
        Subbands that were filled with flagged zeros.
    flagged_fraction : float
        Part of the visibilities that is flagged.
    bytes_read, bytes_written : int
        Of the files.
    seconds : float
    provenance : Provenance
        Who converted it, and who decided so.
    """

    out: Path
    inputs: tuple[Path, ...]
    first_time: float
    n_times: int
    n_baselines: int
    n_rows: int
    n_channels: int
    n_polarizations: int
    missing: tuple[str, ...]
    flagged_fraction: float
    bytes_read: int
    bytes_written: int
    seconds: float
    provenance: Provenance

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and texts, for tables and JSON."""
        return {
            "out": str(self.out),
            "inputs": [str(path) for path in self.inputs],
            "first_time": self.first_time,
            "n_times": self.n_times,
            "n_baselines": self.n_baselines,
            "n_rows": self.n_rows,
            "n_channels": self.n_channels,
            "n_polarizations": self.n_polarizations,
            "missing": list(self.missing),
            "flagged_fraction": self.flagged_fraction,
            "bytes_read": self.bytes_read,
            "bytes_written": self.bytes_written,
            "seconds": self.seconds,
            "provenance": self.provenance.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Skipped:
    """Files that were not converted.

    Attributes
    ----------
    inputs : tuple of Path
    reason : str
        A sentence.
    """

    inputs: tuple[Path, ...]
    reason: str


@dataclass(frozen=True, repr=False)
class ConversionReport:
    """What became of all files.

    Attributes
    ----------
    observations : tuple of ObservationReport
        In the order of time.
    skipped : tuple of Skipped
    """

    observations: tuple[ObservationReport, ...]
    skipped: tuple[Skipped, ...] = ()

    def __repr__(self) -> str:
        lines = [f"ConversionReport: {counted(len(self.observations), 'observation')}"]
        lines += [
            f"  {str(one.out)!r}: {counted(one.n_rows, 'row')}, "
            f"{counted(one.n_channels, 'channel')}, {one.flagged_fraction:.1%} flagged"
            for one in self.observations
        ]
        lines += [f"  skipped: {one.reason}" for one in self.skipped]
        return "\n".join(lines)
