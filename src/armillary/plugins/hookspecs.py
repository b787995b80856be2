"""The five hooks of armillary: what a plugin may add, one hook per family.

A plugin is a module named by an entry point in the group ``armillary``::

    [project.entry-points.armillary]
    myplugin = "my_package.plugin"

Each hook takes no argument and yields :class:`~armillary.plugins.Implementation`
records. A record is a few strings: the code that it points to is imported when
somebody chooses it, not before. Write hooks in ``.py`` files; pluggy reads their
signature, which compiled functions do not have.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

import pluggy

if TYPE_CHECKING:
    from .records import Implementation

#: Name of the pluggy project and of the entry-point group.
PROJECT = "armillary"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class HookSpecs(Protocol):
    """The hooks; :data:`FAMILY_HOOKS` maps each family to its hook."""

    @hookspec
    def armillary_search(self) -> Iterable[Implementation]:
        """Yield backends of transit and period searches.

        ::

            @hookimpl
            def armillary_search():
                yield Implementation(
                    operation="search.bls", name="mine", target="my_package.bls:bls", api=1
                )
        """

    @hookspec
    def armillary_fit(self) -> Iterable[Implementation]:
        """Yield backends of fits.

        ::

            @hookimpl
            def armillary_fit():
                yield Implementation(
                    operation="fit.isophotes", name="mine", target="my_package.fit:isophotes", api=1
                )
        """

    @hookspec
    def armillary_crossmatch(self) -> Iterable[Implementation]:
        """Yield backends of catalogue matching.

        ::

            @hookimpl
            def armillary_crossmatch():
                yield Implementation(
                    operation="crossmatch.nearest", name="mine", target="my_package:nearest", api=1
                )
        """

    @hookspec
    def armillary_convert(self) -> Iterable[Implementation]:
        """Yield converters of file formats.

        ::

            @hookimpl
            def armillary_convert():
                yield Implementation(
                    operation="convert.catalog", name="mine", target="my_package:Converter", api=1
                )
        """

    @hookspec
    def armillary_cache(self) -> Iterable[Implementation]:
        """Yield stores of results.

        ::

            @hookimpl
            def armillary_cache():
                yield Implementation(
                    operation="cache.open", name="mine", target="my_package.store:Store", api=1
                )
        """


#: Family -> the hook that collects its records.
FAMILY_HOOKS = {
    "search": "armillary_search",
    "fit": "armillary_fit",
    "crossmatch": "armillary_crossmatch",
    "convert": "armillary_convert",
    "cache": "armillary_cache",
}
