"""The environment variables of armillary, read in one place and reported with their source."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import SettingError

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})

#: Variables that are not backend choices: name -> what they do.
SWITCHES = {
    "ARMILLARY_PLUGINS": "load only these plugins (comma-separated entry points or distributions)",
    "ARMILLARY_BLOCK": "never load these plugins (comma-separated entry points or distributions)",
    "ARMILLARY_NO_PLUGINS": "load no plugin at all",
    "ARMILLARY_STRICT_PLUGINS": "a plugin that fails to load is an error",
    "ARMILLARY_CACHE": "store of results when a call does not name one (memory, disk, ...)",
    "ARMILLARY_CACHE_PATH": "folder of the store on disk when a call does not name one",
    "ARMILLARY_THREADS": "number of threads when a call does not say",
    "ARMILLARY_CPU": "which compiled variant to use: baseline or v3",
    "ARMILLARY_TEST_DATA": "folder of the real data that tests use",
    "ARMILLARY_CYTHON_DEBUG": "build with Cython's bounds and initialisation checks",
}

UNKNOWN = "not a setting of armillary (misspelt?); it has no effect"

BACKEND_PREFIX = "ARMILLARY_BACKEND"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting in force."""

    name: str
    value: str
    source: str
    meaning: str


def boolean(name: str) -> bool:
    """An on/off variable; ``"0"`` is off, and text that is neither is an error."""
    text = os.environ.get(name, "").strip().lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise SettingError(
        f"{name}={os.environ[name]!r} is neither on ({', '.join(sorted(_TRUE))}) "
        f"nor off ({', '.join(sorted(_FALSE - {''}))})"
    )


def names(name: str) -> frozenset[str] | None:
    """A comma-separated list, normalized, or None where the variable names nothing."""
    parts = os.environ.get(name, "").split(",")
    return frozenset(normalized(part) for part in parts if part.strip()) or None


def normalized(name: str) -> str:
    """A name as package indexes compare it: ``my_plugin``, ``My.Plugin`` are ``my-plugin``."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


@dataclass(frozen=True, slots=True)
class PluginSwitches:
    """Which plugins the environment lets in (None: all), and whether a broken one is an error."""

    none: bool
    only: frozenset[str] | None
    block: frozenset[str]
    strict: bool


def plugin_switches() -> PluginSwitches:
    """The switches of plugin loading, every one checked whether it matters now or not."""
    return PluginSwitches(
        none=boolean("ARMILLARY_NO_PLUGINS"),
        only=names("ARMILLARY_PLUGINS"),
        block=names("ARMILLARY_BLOCK") or frozenset(),
        strict=boolean("ARMILLARY_STRICT_PLUGINS"),
    )


def positive_integer(name: str) -> int | None:
    """A whole number of at least 1, or None where the variable is not set or empty."""
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise SettingError(f"{name}={text!r} must be a whole number of at least 1")
    return int(text)


def backend_variable(scope: str | None) -> str:
    """The variable that chooses a backend for an operation, a family or (None) everything.

    >>> backend_variable("search.bls")
    'ARMILLARY_BACKEND_SEARCH_BLS'
    """
    if scope is None:
        return BACKEND_PREFIX
    return f"{BACKEND_PREFIX}_{scope.replace('.', '_').upper()}"


def in_force(scopes: Mapping[str, str]) -> list[Setting]:
    """Every ``ARMILLARY_*`` variable that is set, unknown ones included.

    ``scopes`` maps each valid backend variable to what it applies to.
    """
    settings = []
    for name in sorted(os.environ):
        if not name.startswith("ARMILLARY_"):
            continue
        if name in SWITCHES:
            meaning = SWITCHES[name]
        elif name in scopes:
            meaning = f"backend for {scopes[name]}"
        else:
            meaning = UNKNOWN
        settings.append(Setting(name, os.environ[name], "environment", meaning))
    return settings
