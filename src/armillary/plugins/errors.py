"""What can go wrong between asking for a backend and using its result."""

from __future__ import annotations


class BackendUnavailable(RuntimeError):
    """A backend was asked for by name and cannot run; the message says who asked and why not."""


class UnknownBackend(BackendUnavailable):
    """A name was given that no installed plugin registers."""


class UnsupportedOption(TypeError):
    """An option was given a value that the chosen backend does not know how to honour."""


class BrokenCanRun(RuntimeError):
    """``can_run`` of a backend raised, or answered neither True nor a sentence."""


class ContractError(RuntimeError):
    """A backend returned something other than the operation's documented result."""


class PluginError(RuntimeError):
    """A plugin could not be loaded, and ``ARMILLARY_STRICT_PLUGINS`` asks for an error."""


class PluginWarning(UserWarning):
    """A plugin was switched off; everything else goes on."""


class SettingError(ValueError):
    """An environment variable of armillary has a value that cannot be understood."""
