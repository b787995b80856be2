"""What the queue knows of a file: its times and its channels."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SECONDS_PER_DAY = 86_400.0
HERTZ_PER_MEGAHERTZ = 1e6
#: The number of a subband in the name of its file, as DSA-110 writes it.
SUBBAND_NUMBER = re.compile(r"_sb(\d+)(?!\d)")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """When and at which frequencies a file was observed.

    Attributes
    ----------
    first_time : float
        Middle of the first integration, Julian date (UTC).
    begin, end : float
        From the beginning of the first integration to the end of the last, Julian dates (UTC).
    lowest, highest : float
        Centres of the outermost channels (Hz).
    n_channels : int
        Channels.
    channel_width : float
        Of the narrowest channel (Hz).
    """

    first_time: float
    begin: float
    end: float
    lowest: float
    highest: float
    n_channels: int
    channel_width: float

    def has_channels_of(self, other: FileFacts) -> bool:
        """Whether both are the same subband: as many channels, each within half of the other."""
        near = min(self.channel_width, other.channel_width) / 2
        return (
            self.n_channels == other.n_channels
            and abs(self.lowest - other.lowest) < near
            and abs(self.highest - other.highest) < near
        )

    def is_simultaneous_with(self, begin: float, end: float) -> bool:
        """Whether the middle of the shorter of two spans of time lies within the longer.

        Files that follow each other in time, however short they are, are not simultaneous.
        """
        spans = sorted([(self.begin, self.end), (begin, end)], key=lambda span: span[1] - span[0])
        (short_begin, short_end), (long_begin, long_end) = spans
        middle = short_begin + (short_end - short_begin) / 2
        return long_begin <= middle <= long_end


#: Reads the facts of a file that is whole. A ValueError is about the file, and lasts until it
#: changes; an OSError may pass.
Describe = Callable[[Path], FileFacts]


def describe(path: Path) -> FileFacts:
    """Validate a file and read its header, in milliseconds.

    Raises
    ------
    ValueError
        If it is not a whole file of visibilities.
    OSError
        If it cannot be read.
    """
    from ..visibility.errors import VisibilityFileError
    from ..visibility.header import read_header
    from ..visibility.validation import validate

    with path.open("rb"):
        pass  # what the operating system refuses is an OSError, not the file's fault
    validation = validate(path)
    if not validation.ok:
        raise VisibilityFileError(path, "; ".join(validation.problems))
    header = read_header(path)
    half = header.integration_time / 2 / SECONDS_PER_DAY
    return FileFacts(
        first_time=header.first_time,
        begin=float((header.time - half).min()),
        end=float((header.time + half).max()),
        lowest=header.first_frequency,
        highest=header.last_frequency,
        n_channels=header.n_channels,
        channel_width=float(header.channel_width.min()),
    )


def subband_label(name: str, facts: FileFacts) -> str:
    """What people call a subband: its number in the file's name, or else its frequencies."""
    number = SUBBAND_NUMBER.search(name)
    if number:
        return numbered_label(int(number[1]))
    ends = (f"{hertz / HERTZ_PER_MEGAHERTZ:.3f}" for hertz in (facts.lowest, facts.highest))
    return f"{'-'.join(ends)} MHz"


def numbered_label(number: int) -> str:
    """``sb03``."""
    return f"sb{number:02d}"
