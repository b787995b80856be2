"""What all tests share: those of core, of the plugins and of the documentation."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes is a matter of the machine, and of who else is on it.
settings.register_profile("armillary", deadline=None)
settings.load_profile("armillary")
