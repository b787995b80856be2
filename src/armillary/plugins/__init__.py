"""The plugin system: collect records, choose a backend, call it, tell what happened.

=============  ==============================================================
hookspecs.py   the five hooks that a plugin may implement
records.py     Implementation (what a plugin yields), Request, Provenance
installed.py   entry points of what is installed
registry.py    discovery, one plugin at a time
isolation.py   code of strangers, and what it raises
select.py      the rules of the choice
call.py        running the choice, and the contract on its result
status.py      what there is and why
settings.py    environment variables
errors.py      the exceptions
builtin.py     armillary's own records
=============  ==============================================================
"""

from .errors import (
    BackendUnavailable,
    ContractError,
    PluginError,
    PluginWarning,
    SettingError,
    UnknownBackend,
    UnsupportedOption,
)
from .hookspecs import hookimpl
from .records import API_VERSION, Implementation, Provenance, Request

__all__ = [
    "API_VERSION",
    "BackendUnavailable",
    "ContractError",
    "Implementation",
    "PluginError",
    "PluginWarning",
    "Provenance",
    "Request",
    "SettingError",
    "UnknownBackend",
    "UnsupportedOption",
    "hookimpl",
]
