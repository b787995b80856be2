"""Find plugins, load each by itself, keep their records and their failures.

Reading order: find, load, settle clashes. Nothing here chooses a backend
(select.py does), and nothing that a plugin does can stop another one.
"""

from __future__ import annotations

import importlib
import threading
import traceback
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import Distribution, EntryPoint
from typing import Any

import pluggy

from .._version import __version__
from . import builtin, settings
from .errors import PluginError, PluginWarning
from .hookspecs import FAMILY_HOOKS, PROJECT, HookSpecs
from .installed import FILE, Unreadable, entry_points
from .isolation import Raised, in_short, isolated
from .records import API_VERSION, Implementation, Registered

CORE = "armillary"


@dataclass(frozen=True, slots=True)
class Failure:
    """A plugin, or one record of it, that was switched off, kept as data.

    ``stage`` is one of metadata, import, hooks, records, conflict.
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
    """An entry point with the distribution that declares it.

    Where the entry points of a distribution cannot be read, it stands for all of them, under
    the name of the distribution; ``unreadable`` is then why.
    """

    name: str
    value: str
    distribution: str
    version: str
    load: Any = field(repr=False, compare=False)
    unreadable: BaseException | None = field(default=None, repr=False, compare=False)

    @property
    def called(self) -> frozenset[str]:
        """The normalized names by which settings may mean it."""
        return frozenset({settings.normalized(self.name), settings.normalized(self.distribution)})


@dataclass(slots=True)
class Registry:
    """Everything known about the backends of this process.

    ``plugins`` are those that are installed, loaded or not; None if nobody has looked.
    """

    implementations: dict[str, dict[str, Registered]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    blocked: list[Blocked] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)
    plugins: list[Plugin] | None = None

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
        if not isinstance(operation, str) or operation not in self.implementations:
            raise ValueError(
                f"armillary has no operation {operation!r}; it has {', '.join(self.operations)}"
            )
        return self.implementations[operation]

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


def find_plugins(found: Iterable[EntryPoint | Unreadable] | None = None) -> list[Plugin]:
    """The entry points of the group ``armillary``, sorted and without repeats.

    A path that is on ``sys.path`` twice lists its distributions twice.
    """
    plugins: dict[tuple[str, str, str], Plugin] = {}
    for entry in entry_points(group=PROJECT) if found is None else found:
        plugin = _plugin(entry)
        # The first on the path is the one that an import finds.
        plugins.setdefault((plugin.distribution, plugin.name, plugin.value), plugin)
    return [plugins[key] for key in sorted(plugins)]


def _plugin(entry: EntryPoint | Unreadable) -> Plugin:
    if isinstance(entry, Unreadable):
        name, version = _name_and_version(entry.distribution)
        return Plugin(name, FILE, name, version, None, entry.error)
    return Plugin(entry.name, entry.value, *_name_and_version(entry.dist), entry.load)


def _name_and_version(distribution: Distribution | None) -> tuple[str, str]:
    if distribution is None:
        return "unknown distribution", ""
    try:
        with isolated():
            # Read once for both: with a hundred plugins it is most of the time of discovery.
            metadata = distribution.metadata
            return metadata["Name"] or "unnamed distribution", metadata["Version"] or ""
    except Raised:
        # Broken metadata of a stranger: its plugin still gets its chance.
        return "unreadable distribution", ""


# ------------------------------------------------------------------ load


def load_registry(found: Iterable[EntryPoint | Unreadable] | None = None) -> Registry:
    """Discover the plugins; warn of what is off, or raise where the settings ask for it."""
    registry = _discover_strictly(found)
    _warn(registry)
    return registry


def _discover_strictly(found: Iterable[EntryPoint | Unreadable] | None = None) -> Registry:
    """Discover the plugins; what is off is an error where the settings ask for that."""
    switches = settings.plugin_switches()
    registry = discover(switches, found)
    problems = _problems(registry)
    if problems and switches.strict:
        raise PluginError("; ".join(problems))
    return registry


def core_registry() -> Registry:
    """Core's own records, which come in through the same hooks as everyone's."""
    registry = Registry({operation: {} for operation in builtin.OF_PLUGINS})
    core = Plugin("builtin", "armillary.plugins.builtin", CORE, __version__, lambda: builtin)
    for registered in _records_of(core):
        _add(registry, registered)
    return registry


def discover(
    switches: settings.PluginSwitches, found: Iterable[EntryPoint | Unreadable] | None = None
) -> Registry:
    """Core's records and those of every plugin that the switches let in."""
    registry = core_registry()
    plugins = registry.plugins = find_plugins(found)
    claims: dict[tuple[str, str], list[_Claim]] = {}
    for plugin in plugins:
        reason = _blocked_reason(plugin, switches)
        if reason:
            registry.blocked.append(
                Blocked(plugin.name, plugin.distribution, plugin.version, reason)
            )
            continue
        try:
            records = _records_of(plugin)
        except _LoadError as error:
            registry.failures.append(error.failure)
            continue
        for registered in records:
            record = registered.record
            if record.operation in registry.implementations:
                claim = _Claim(plugin, registered)
                claims.setdefault((record.operation, record.name), []).append(claim)
            else:
                registry.failures.append(_unknown_operation(plugin, record))
    _settle(registry, claims)
    return registry


def _blocked_reason(plugin: Plugin, switches: settings.PluginSwitches) -> str:
    """Why the switches keep this plugin out, or an empty string."""
    if switches.none:
        return "ARMILLARY_NO_PLUGINS is on"
    if plugin.called & switches.block:
        return "named in ARMILLARY_BLOCK"
    if switches.only is not None and not plugin.called & switches.only:
        return "not named in ARMILLARY_PLUGINS"
    return ""


def _failure(plugin: Plugin, stage: str, message: str, trace: str = "") -> Failure:
    return Failure(plugin.name, plugin.distribution, plugin.version, stage, message, trace)


def _unknown_operation(plugin: Plugin, record: Implementation) -> Failure:
    """One record for a newer armillary; the plugin's others may still be right for this one."""
    message = (
        f"its backend {record.name!r} alone is left out: "
        f"armillary {__version__} has no operation {record.operation!r}"
    )
    return _failure(plugin, "records", message)


class _LoadError(Exception):
    def __init__(self, plugin: Plugin, stage: str, message: str, error: BaseException | None):
        super().__init__(message)
        trace = "".join(traceback.format_exception(error)) if error else ""
        self.failure = _failure(plugin, stage, message, trace)


def _records_of(plugin: Plugin) -> list[Registered]:
    module = _import(plugin)
    manager = _manager(plugin, module)
    records = []
    for family, hook in FAMILY_HOOKS.items():
        for record in _call_hook(plugin, manager, hook):
            _check_record(plugin, record, family)
            records.append(Registered(record, plugin.distribution, plugin.version))
    seen = {(r.record.operation, r.record.name) for r in records}
    if len(seen) < len(records):
        raise _LoadError(plugin, "records", "it yields two records of the same name", None)
    return records


def _import(plugin: Plugin) -> Any:
    if plugin.unreadable is not None:
        message = f"its {FILE} cannot be read: {in_short(plugin.unreadable)}"
        raise _LoadError(plugin, "metadata", message, plugin.unreadable)
    try:
        with isolated():
            return plugin.load()
    except Raised as raised:
        message = f"importing {plugin.value} raised {raised}"
        raise _LoadError(plugin, "import", message, raised.error) from raised.error


def _manager(plugin: Plugin, module: Any) -> pluggy.PluginManager:
    """A manager of its own for each plugin: pluggy aborts a hook call at the first error."""
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(HookSpecs)
    try:
        with isolated():
            manager.register(module)
            manager.check_pending()
    except Raised as raised:
        message = f"{raised}; the hooks are {', '.join(FAMILY_HOOKS.values())}"
        raise _LoadError(plugin, "hooks", message, raised.error) from raised.error
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
        with isolated():
            answers = caller()
            records = [record for answer in answers for record in answer]
    except Raised as raised:
        message = f"{hook} raised {raised}"
        raise _LoadError(plugin, "records", message, raised.error) from raised.error
    # pluggy leaves out an answer of None: a forgotten return would go unnoticed.
    if len(answers) < len(caller.get_hookimpls()):
        raise _LoadError(plugin, "records", f"{hook} returned None, not Implementations", None)
    return records


def _check_record(plugin: Plugin, record: Any, family: str) -> None:
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
    if problem:
        raise _LoadError(plugin, "records", problem, None)


# ------------------------------------------------------------------ settle clashes


@dataclass(frozen=True, slots=True)
class _Claim:
    """A record, and the plugin that yields it."""

    plugin: Plugin
    registered: Registered


def _settle(registry: Registry, claims: dict[tuple[str, str], list[_Claim]]) -> None:
    for (operation, name), claimants in sorted(claims.items(), key=lambda item: item[0]):
        own = registry.implementations[operation].get(name)
        if own is not None:
            # A plugin that takes one of core's names would change results by being installed.
            message = f"{operation} backend {name!r} is a name of armillary's own"
            for claim in claimants:
                registry.failures.append(_failure(claim.plugin, "conflict", message))
        elif len(claimants) > 1:
            every = tuple(claim.registered for claim in claimants)
            registry.conflicts.append(Conflict(operation, name, every))
        else:
            _add(registry, claimants[0].registered)


def _add(registry: Registry, registered: Registered) -> None:
    record = registered.record
    registry.implementations.setdefault(record.operation, {})[record.name] = registered


def _problems(registry: Registry) -> list[str]:
    """One sentence for each thing that is broken."""
    return [str(problem) for problem in (*registry.failures, *registry.conflicts)]


def _warn(registry: Registry) -> None:
    for problem in _problems(registry):
        warnings.warn(f"{problem} (see `armillary status`)", PluginWarning, stacklevel=3)


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
                    _registry = _discover_strictly()
                finally:
                    _loading = False
                # After it is kept: where warnings are errors, the next call still finds it.
                _warn(_registry)
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
