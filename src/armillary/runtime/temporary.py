"""The folder for what does not fit into memory, gone afterwards whatever happens."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .processes import process_began, still_runs

_MARK = "armillary-tmp"


@contextlib.contextmanager
def temporary_folder(out: Path) -> Iterator[Path]:
    """A folder next to ``out``; those of earlier runs that died are removed first.

    Its name holds the host, the process and when that began, by which a later run on this host
    knows that nobody needs it any more.
    """
    remove_abandoned(out)
    me = f"{_host()}.{os.getpid()}-{int(process_began(os.getpid()))}"
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.{me}.", suffix=f".{_MARK}", dir=out.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(out: Path) -> None:
    """Remove the folders of runs for the same ``out`` on this host whose process is gone."""
    name = re.escape(f".{out.name}.{_host()}.")
    pattern = re.compile(rf"{name}(\d+)-(\d+)\.\w+\.{_MARK}")
    for folder in out.parent.iterdir():
        match = pattern.fullmatch(folder.name)
        if match and not still_runs(int(match[1]), int(match[2])):
            shutil.rmtree(folder, ignore_errors=True)


def _host() -> str:
    """The name of this machine, as part of the name of a folder."""
    return re.sub(r"[^\w-]", "-", platform.node()) or "host"
