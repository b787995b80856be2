"""Find the columns of a catalogue by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...io.columns import listed

#: What a catalogue can have.
ROLES = ("ra", "dec", "pm_ra_cosdec", "pm_dec", "epoch", "error")
#: What may be one number for a whole catalogue instead of a column.
NUMBERS = ("epoch", "error")

#: Pairs of names, the first that is there counts: plain names, then those of VizieR (a leading
#: underscore: computed by VizieR), SExtractor, Pan-STARRS and 2MASS.
_POSITIONS = (
    ("ra", "dec"),
    ("ra", "decl"),
    ("ra_icrs", "de_icrs"),
    ("ra_icrs", "dec_icrs"),
    ("raj2000", "dej2000"),
    ("raj2000", "decj2000"),
    ("ra_j2000", "dec_j2000"),
    ("radeg", "dedeg"),
    ("radeg", "decdeg"),
    ("ra_deg", "dec_deg"),
    ("right_ascension", "declination"),
    ("alpha_j2000", "delta_j2000"),
    ("alphawin_j2000", "deltawin_j2000"),
    ("ramean", "decmean"),
    ("_ra", "_de"),
    ("_ra", "_dec"),
    ("_ra_icrs", "_de_icrs"),
    ("_raj2000", "_dej2000"),
    ("ra2000", "dec2000"),
    ("ra2000", "de2000"),
)
_MOTIONS = (
    ("pm_ra_cosdec", "pm_dec"),
    ("pmra", "pmdec"),
    ("pmra", "pmde"),
    ("pm_ra", "pm_dec"),
    ("pm_ra", "pm_de"),
)
_EPOCHS = ("ref_epoch",)


def choose_columns(names: Sequence[str], given: Mapping[str, str | None]) -> dict[str, int]:
    """Positions of the columns of a catalogue.

    Parameters
    ----------
    names : sequence of str
        All columns, in order.
    given : mapping
        Role -> name, where the caller gave one; case does not matter. None means no column.

    Returns
    -------
    dict of str to int
        Role -> position; always ``ra`` and ``dec``, the others where they are there.

    Raises
    ------
    ValueError
        If a named column is missing, or none is recognised as a position.
    """
    chosen = {role: _position(names, name) for role, name in given.items() if name is not None}
    for pair, known in ((ROLES[:2], _POSITIONS), (ROLES[2:4], _MOTIONS)):
        if not any(role in given for role in pair):
            chosen |= _first_pair(names, pair, known)
    if "epoch" not in given:
        chosen |= _first_pair(names, ("epoch",), [(name,) for name in _EPOCHS])
    missing = [role for role in ROLES[:2] if role not in chosen]
    if missing:
        raise ValueError(
            f"no {' and '.join(missing)} column is recognised among {listed(names)}; name the "
            f"columns of positions, as in Catalog.from_table(table, ra=..., dec=...)"
        )
    return chosen


def _first_pair(
    names: Sequence[str], roles: Sequence[str], known: Sequence[Sequence[str]]
) -> dict[str, int]:
    # Of names that differ only in case the first counts.
    lowered: dict[str, int] = {}
    for position, name in enumerate(names):
        lowered.setdefault(name.lower(), position)
    for pair in known:
        if all(name in lowered for name in pair):
            return {role: lowered[name] for role, name in zip(roles, pair, strict=True)}
    return {}


def _position(names: Sequence[str], wanted: str) -> int:
    if wanted in names:
        return list(names).index(wanted)
    matches = [i for i, name in enumerate(names) if name.lower() == wanted.lower()]
    if not matches:
        raise ValueError(f"there is no column {wanted!r} among {listed(names)}")
    if len(matches) > 1:
        raise ValueError(f"column {wanted!r} is ambiguous among {listed(names)}")
    return matches[0]
