"""Results in files: arrays and a header of plain values in one ``.npz``, never pickled."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from ._files import written_whole

_DAMAGE = (KeyError, TypeError, ValueError, EOFError, BadZipFile, RuntimeError, zlib.error)


def save_arrays(
    path: str | Path, form: str, header: Mapping[str, Any], arrays: Mapping[str, Any]
) -> None:
    """Write arrays and a header, whole or not at all.

    Parameters
    ----------
    path : str or Path
        The file.
    form : str
        What it is, with a version; :func:`load_arrays` asks for it.
    header : mapping
        Plain values.
    arrays : mapping of str to ndarray
        None of them called ``header``.

    Raises
    ------
    OSError
        If the file cannot be written; an older one is then untouched.
    """
    text = np.array(json.dumps({"format": form, **header}))
    with written_whole(Path(path)) as file:
        np.savez(file, header=text, **arrays)


def load_arrays(
    path: str | Path, form: str, what: str
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays, read-only, of what :func:`save_arrays` wrote.

    Parameters
    ----------
    path : str or Path
        The file.
    form : str
        What it must be.
    what : str
        The same in a word, for the sentence.

    Raises
    ------
    ValueError
        If it is another file, or a damaged one.
    """
    try:
        with np.load(Path(path), allow_pickle=False) as file:
            arrays = dict(file)
        header = json.loads(str(arrays.pop("header")))
        known = header["format"] == form
    except _DAMAGE:
        known = False
    if not known:
        raise ValueError(f"{path} holds no {what} written by armillary")
    for array in arrays.values():
        array.setflags(write=False)
    return header, arrays
