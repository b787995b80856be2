"""Find plugins, load each by itself, keep their records and their failures.

Reading order: find, load, settle clashes. Nothing here chooses a backend
(select.py does), and nothing that a plugin does can stop another one.
"""

from __future__ import annotations

import importlib
import textwrap
import threading
import traceback
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from .._version import __version__
from . import builtin, settings
from .errors import PluginError, PluginWarning
from .hookspecs import FAMILY_HOOKS, PROJECT, HookSpecs
from .records import API_VERSION, Implementation, Registered

CORE = "armillary"

#: Characters of a stranger's error message that fit into a sentence of ours.
MESSAGE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """A plugin, or one name of it, that was switched off, kept as data.

    ``stage`` is one of import, hooks, records, conflict.
    """

    plugin: str
    distribution: str
    version: str
    stage: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        origin = f"{self.distribution} {self.version}".strip()
        return f"plugin {self.plugin!r} of {origin} is off ({self.stage}): {self.message}"


@dataclass(frozen=True, slots=True)
class Blocked:
    """A plugin that a setting kept from being imported."""

    plugin: str
    distribution: str
    version: str
    reason: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """A name that two or more plugins claim for one operation; none of them gets it."""

    operation: str
    name: str
    claimants: tuple[Registered, ...]

    def __str__(self) -> str:
        owners = " and ".join(claimant.origin for claimant in self.claimants)
        return (
            f"{self.operation} backend {self.name!r} is claimed by {owners}; "
            f"none is used. Uninstall one, or set ARMILLARY_BLOCK to its distribution"
        )


@dataclass(frozen=True, slots=True)
class Plugin:
    """An entry point with the distribution that declares it."""

    name: str
    value: str
    distribution: str
    version: str
    load: Any = field(repr=False, compare=False)


@dataclass(slots=True)
class Registry:
    """Everything known about the backends of this process."""

    implementations: dict[str, dict[str, Registered]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations of this armillary, sorted."""
        return tuple(sorted(self.implementations))

    def backends(self, operation: str) -> dict[str, Registered]:
        """Name -> implementation of one operation.

        Raises
        ------
        ValueError
            If armillary has no such operation; the message lists those it has.
        """
        try:
            return self.implementations[operation]
        except KeyError:
            raise ValueError(
                f"armillary has no operation {operation!r}; it has {', '.join(self.operations)}"
            ) from None

    def registers(self, name: str) -> bool:
        """True if any operation has a backend of this name."""
        return any(name in backends for backends in self.implementations.values())

    def conflict(self, operation: str, name: str) -> Conflict | None:
        """The clash over a name, if there is one."""
        for conflict in self.conflicts:
            if (conflict.operation, conflict.name) == (operation, name):
                return conflict
        return None


# ------------------------------------------------------------------ find


def find_plugins(found: Iterable[EntryPoint] | None = None) -> list[Plugin]:
    """The entry points of the group ``armillary``, sorted and without repeats.

    A path that is on ``sys.path`` twice lists its distributions twice.
    """
    plugins: dict[tuple[str, str, str], Plugin] = {}
    for entry in entry_points(group=PROJECT) if found is None else found:
        name, version = _distribution_of(entry)
        plugin = Plugin(entry.name, entry.value, name, version, entry.load)
        # The first on the path is the one that an import finds.
        plugins.setdefault((name, entry.name, entry.value), plugin)
    return [plugins[key] for key in sorted(plugins)]


def _distribution_of(entry: EntryPoint) -> tuple[str, str]:
    distribution = entry.dist
    if distribution is None:
        return "unknown distribution", ""
    try:
        return distribution.name or "unnamed distribution", distribution.version or ""
    except Exception:
        # Broken metadata of a stranger: its plugin still gets its chance.
        return "unreadable distribution", ""


# ------------------------------------------------------------------ load


def load_registry(found: Iterable[EntryPoint] | None = None) -> Registry:
    """Discover the plugins; warn of what is off, or raise where the settings ask for it."""
    switches = settings.plugin_switches()
    registry = discover(switches, found)
    _report(registry, switches.strict)
    return registry


def core_registry() -> Registry:
    """Core's own records, which come in through the same hooks as everyone's."""
    registry = Registry()
    core = Plugin("builtin", "armillary.plugins.builtin", CORE, __version__, lambda: builtin)
    for registered in _records_of(core, known=None):
        _add(registry, registered)
    return registry


def discover(
    switches: settings.PluginSwitches, found: Iterable[EntryPoint] | None = None
) -> Registry:
    """Core's records and those of every plugin that the switches let in."""
    registry = core_registry()
    known = frozenset(registry.operations)
    claims: dict[tuple[str, str], list[Registered]] = {}
    for plugin in find_plugins(found):
        reason = _blocked_reason(plugin, switches)
        if reason:
            registry.blocked.append(
                Blocked(plugin.name, plugin.distribution, plugin.version, reason)
            )
            continue
        try:
            records = _records_of(plugin, known)
        except _LoadError as error:
            registry.failures.append(error.failure)
            continue
        for registered in records:
            key = (registered.record.operation, registered.record.name)
            claims.setdefault(key, []).append(registered)
    _settle(registry, claims)
    return registry


def _blocked_reason(plugin: Plugin, switches: settings.PluginSwitches) -> str:
    """Why the switches keep this plugin out, or an empty string."""
    if switches.none:
        return "ARMILLARY_NO_PLUGINS is on"
    called = {settings.normalized(plugin.name), settings.normalized(plugin.distribution)}
    if called & switches.block:
        return "named in ARMILLARY_BLOCK"
    if switches.only is not None and not called & switches.only:
        return "not named in ARMILLARY_PLUGINS"
    return ""


class _LoadError(Exception):
    def __init__(self, plugin: Plugin, stage: str, message: str, error: BaseException | None):
        super().__init__(message)
        trace = "".join(traceback.format_exception(error)) if error else ""
        self.failure = Failure(
            plugin.name, plugin.distribution, plugin.version, stage, message, trace
        )


def _records_of(plugin: Plugin, known: frozenset[str] | None) -> list[Registered]:
    module = _import(plugin)
    manager = _manager(plugin, module)
    records = []
    for family, hook in FAMILY_HOOKS.items():
        for record in _call_hook(plugin, manager, hook):
            _check_record(plugin, record, family, known)
            records.append(Registered(record, plugin.distribution, plugin.version))
    seen = {(r.record.operation, r.record.name) for r in records}
    if len(seen) < len(records):
        raise _LoadError(plugin, "records", "it yields two records of the same name", None)
    return records


def _import(plugin: Plugin) -> Any:
    try:
        return plugin.load()
    except (Exception, SystemExit) as error:
        message = f"importing {plugin.value} raised {in_short(error)}"
        raise _LoadError(plugin, "import", message, error) from error


def _manager(plugin: Plugin, module: Any) -> pluggy.PluginManager:
    """A manager of its own for each plugin: pluggy aborts a hook call at the first error."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HookSpecs)
    try:
        manager.register(module)
        manager.check_pending()
    except Exception as error:
        message = f"{in_short(error)}; the hooks are {', '.join(FAMILY_HOOKS.values())}"
        raise _LoadError(plugin, "hooks", message, error) from error
    if not manager.get_hookcallers(module):
        raise _LoadError(
            plugin,
            "hooks",
            f"{plugin.value} implements no hook; "
            f"mark one of {', '.join(FAMILY_HOOKS.values())} with @armillary.plugins.hookimpl",
            None,
        )
    return manager


def _call_hook(plugin: Plugin, manager: pluggy.PluginManager, hook: str) -> list[Any]:
    caller = getattr(manager.hook, hook)
    try:
        answers = caller()
        records = [record for answer in answers for record in answer]
    except (Exception, SystemExit) as error:
        raise _LoadError(plugin, "records", f"{hook} raised {in_short(error)}", error) from error
    # pluggy leaves out an answer of None: a forgotten return would go unnoticed.
    if len(answers) < len(caller.get_hookimpls()):
        raise _LoadError(plugin, "records", f"{hook} returned None, not Implementations", None)
    return records


def _check_record(plugin: Plugin, record: Any, family: str, known: frozenset[str] | None) -> None:
    problem = None
    if not isinstance(record, Implementation):
        problem = f"{FAMILY_HOOKS[family]} yielded {type(record).__name__}, not Implementation"
    elif record.api != API_VERSION:
        problem = (
            f"{record.operation} backend {record.name!r} is written for plugin API "
            f"{record.api}; armillary {__version__} speaks {API_VERSION}"
        )
    elif record.family != family:
        problem = f"{FAMILY_HOOKS[family]} yielded a record of {record.operation}"
    elif known is not None and record.operation not in known:
        problem = f"armillary {__version__} has no operation {record.operation!r}"
    if problem:
        raise _LoadError(plugin, "records", problem, None)


# ------------------------------------------------------------------ settle clashes


def _settle(registry: Registry, claims: dict[tuple[str, str], list[Registered]]) -> None:
    for (operation, name), claimants in sorted(claims.items()):
        own = registry.implementations[operation].get(name)
        if own is not None:
            # A plugin that takes one of core's names would change results by being installed.
            for claimant in claimants:
                registry.failures.append(_clash_with_core(claimant))
        elif len(claimants) > 1:
            registry.conflicts.append(Conflict(operation, name, tuple(claimants)))
        else:
            _add(registry, claimants[0])


def _clash_with_core(claimant: Registered) -> Failure:
    record = claimant.record
    message = f"{record.operation} backend {record.name!r} is a name of armillary's own"
    return Failure(record.name, claimant.distribution, claimant.version, "conflict", message)


def _add(registry: Registry, registered: Registered) -> None:
    record = registered.record
    registry.implementations.setdefault(record.operation, {})[record.name] = registered


def _report(registry: Registry, strict: bool) -> None:
    """Warn once for each thing that is off, or raise."""
    problems = [str(failure) for failure in registry.failures]
    problems += [str(conflict) for conflict in registry.conflicts]
    if problems and strict:
        raise PluginError("; ".join(problems))
    for problem in problems:
        warnings.warn(f"{problem} (see `armillary status`)", PluginWarning, stacklevel=2)


def in_short(error: BaseException) -> str:
    """Type and message of an error on one line, even of one that cannot be printed."""
    try:
        text = textwrap.shorten(str(error), MESSAGE_LENGTH, placeholder=" ...")
    except Exception:
        text = "(its message cannot be printed)"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# ------------------------------------------------------------------ the process's registry

_lock = threading.RLock()
_registry: Registry | None = None
_loading = False


def get_registry() -> Registry:
    """The registry of this process; the first call discovers the plugins.

    Raises
    ------
    RuntimeError
        If a plugin asks for it while it is being loaded itself.
    """
    global _registry, _loading
    if _registry is None:
        with _lock:
            if _loading:
                raise RuntimeError(
                    "armillary is still loading its plugins; a plugin must not use its "
                    "operations while it is imported or yields its records"
                )
            if _registry is None:
                _loading = True
                try:
                    _registry = load_registry()
                finally:
                    _loading = False
    return _registry


def set_registry(registry: Registry | None) -> Registry | None:
    """Put another registry in force (None: discover anew at the next use); give back the old."""
    global _registry
    with _lock:
        previous, _registry = _registry, registry
        _resolved.clear()
    return previous


_resolved: dict[str, Any] = {}


def resolve(reference: str) -> Any:
    """Import ``"module:attribute"``, once."""
    try:
        return _resolved[reference]
    except KeyError:
        module, _, path = reference.partition(":")
        value: Any = importlib.import_module(module)
        for name in path.split("."):
            value = getattr(value, name)
        _resolved[reference] = value
        return value


def summary_of_failures(registry: Registry) -> Sequence[str]:
    """One sentence for each plugin that is not there, for error messages."""
    off = [str(failure) for failure in registry.failures]
    off += [f"plugin {b.plugin!r} of {b.distribution} is off: {b.reason}" for b in registry.blocked]
    return off
