"""Level of theory of a run of VASP by its tags: functional, +U, dispersion, cutoff.

Everything that changes the energy of given positions has its own word; what a tag leaves to VASP is
that of the POTCARs. Sources of the tables: the pages of the tags in the VASP wiki.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida_nanoclusters.formats.vasp.tags import is_set, is_true, number, word

#: Functionals by INCAR's tag GGA.
FUNCTIONALS = {
    **{"PE": "PBE", "PS": "PBEsol", "RP": "RPBE", "RE": "revPBE", "91": "PW91", "AM": "AM05"},
    **{"CA": "LDA", "PZ": "LDA", "BF": "BEEF", "B3": "B3LYP", "B5": "B3LYP(VWN5)"},
    **{"OR": "optPBE", "BO": "optB88", "MK": "optB86b", "ML": "rPW86", "CX": "LV-PW86r"},
}
#: Functionals by the kind of the POTCARs, where no tag sets one.
_POTCARS = {"PAW_PBE": "PBE", "PAW_GGA": "PW91", "PAW": "LDA", "US": "LDA"}
#: VASP prints the first five letters.
_META = {"R2SCA": "R2SCAN", "M06L": "M06-L", "RTPSS": "revTPSS"}
#: Kinds of METAGGA that are potentials without an energy.
POTENTIAL_ONLY = frozenset({"MBJ", "LMBJ"})
#: Fraction and screening (1/Å) of exact exchange with PBE, and the hybrid functional that they are.
_HYBRIDS = {(0.25, 0.0): "PBE0", (0.25, 0.2): "HSE06", (0.25, 0.207): "HSE06", (0.25, 0.3): "HSE03"}
#: Functionals with a nonlocal correlation by GGA, and their parameters where GGA alone is not one.
_NONLOCAL: tuple[tuple[str, dict[str, float], str], ...] = (
    ("RE", {"ZAB_VDW": -0.8491}, "vdW-DF"),
    ("ML", {"ZAB_VDW": -1.8867}, "vdW-DF2"),
    ("OR", {"ZAB_VDW": -0.8491}, "optPBE-vdW"),
    ("BO", {"PARAM1": 0.1833, "PARAM2": 0.22, "ZAB_VDW": -0.8491}, "optB88-vdW"),
    ("MK", {"PARAM1": 0.1234, "PARAM2": 1.0, "ZAB_VDW": -0.8491}, "optB86b-vdW"),
    ("MK", {"PARAM1": 0.1234, "PARAM2": 0.7114, "ZAB_VDW": -1.8867}, "rev-vdW-DF2"),
    ("CX", {"ZAB_VDW": -0.8491}, "vdW-DF-cx"),
    ("BF", {"ZAB_VDW": -1.8867}, "BEEF-vdW"),
)
#: Defaults of VASP that a file which does not print them leaves unsaid.
_NONLOCAL_DEFAULTS = {"ZAB_VDW": -0.8491, "PARAM1": 0.1234, "PARAM2": 1.0}
#: Numbers of the same dispersion correction: IVDW = 1 is 10, and 2 is 20.
_SAME_DISPERSION = {1: 10, 2: 20}
#: Parameters of a dispersion correction, and those that VASP takes for PBE itself.
_DAMPING = ("VDW_S6", "VDW_S8", "VDW_SR", "VDW_A1", "VDW_A2", "VDW_D")
_OF_PBE = {
    10: {"VDW_S6": 0.75, "VDW_SR": 1.0, "VDW_D": 20.0},
    11: {"VDW_S6": 1.0, "VDW_SR": 1.217, "VDW_S8": 0.722},
    12: {"VDW_S6": 1.0, "VDW_S8": 0.7875, "VDW_A1": 0.4289, "VDW_A2": 4.4407},
    20: {"VDW_S6": 1.0, "VDW_SR": 0.94, "VDW_D": 20.0},
}
_SHELLS = "spdf"
#: Rounding of parameters that VASP prints with four decimals.
_SAME = 1e-3


def level_of_theory(
    tags: Mapping[str, Any],
    potcars: Sequence[str] = (),
    elements: Sequence[str] = (),
    dispersion: bool = False,
) -> str:
    """Return the level of theory, such as ``VASP/PBE/450 eV``.

    Parameters
    ----------
    tags
        By their names in capitals.
    potcars
        Titles of the POTCARs, which set the functional where no tag does.
    elements
        Of the kinds of atoms in the order of the POTCARs: which +U is whose.
    dispersion
        Whether the energy has a part after the self-consistent field that no tag explains.
    """
    base = functional(tags, potcars)
    parts = [base, _hubbard(tags, elements), _dispersion(tags, base)]
    if dispersion and not parts[2]:
        parts.append("+dispersion")
    parts += ["+SOC" if is_true(tags, "LSORBIT") else "", "+LSOL" if is_true(tags, "LSOL") else ""]
    parts += [f"+{name}={tags[name]:g}" for name in ("EFIELD",) if number(tags, name)]
    cutoff = number(tags, "ENCUT") or number(tags, "ENMAX")
    words = ["VASP", "".join(parts), f"{cutoff:g} eV" if cutoff else ""]
    return "/".join(part for part in words if part)


def functional(tags: Mapping[str, Any], potcars: Sequence[str] = ()) -> str:
    """Return the exchange-correlation functional; empty where nothing names it."""
    gga, meta = word(tags, "GGA"), word(tags, "METAGGA")
    kinds = {_POTCARS.get(potcar.split()[0], "") for potcar in potcars if potcar.split()}
    local = kinds.pop() if len(kinds) == 1 else ""
    if meta in ("", "F", "FALSE"):
        base = FUNCTIONALS.get(gga, gga) or local
    else:
        base = _META.get(meta, meta)
    if "LIBXC" in (gga, meta):
        base = f"LIBXC({tags.get('LIBXC1', '?')},{tags.get('LIBXC2', '?')})"
    if is_true(tags, "LHFCALC"):
        base = _hybrid(tags, base)
    return _with_nonlocal(tags, base, gga) if is_true(tags, "LUSE_VDW") else base


def _hybrid(tags: Mapping[str, Any], base: str) -> str:
    fraction = number(tags, "AEXX")
    fraction = 0.25 if fraction is None else fraction
    screening = number(tags, "HFSCREEN") or 0.0
    if fraction == 1.0 and not screening:
        return "HF" if not number(tags, "AGGAC") and not number(tags, "ALDAC") else f"HF+{base}c"
    if is_true(tags, "LTHOMAS") or is_true(tags, "LMODELHF"):
        kind = "Thomas-Fermi" if is_true(tags, "LTHOMAS") else "model"
        return f"{base} hybrid({fraction:g},{screening:g},{kind})"
    if base.startswith("B3LYP") and fraction == 0.2 and not screening:
        return base
    for (known, at), name in _HYBRIDS.items():
        if base in ("PBE", "") and max(abs(fraction - known), abs(screening - at)) < _SAME:
            return name
    if base == "PBEsol" and (fraction, screening) == (0.25, 0.2):
        return "HSEsol"
    return f"{base} hybrid({fraction:g},{screening:g})"


def _with_nonlocal(tags: Mapping[str, Any], base: str, gga: str) -> str:
    """Return the name of a functional with a nonlocal correlation (LUSE_VDW)."""
    if base != FUNCTIONALS.get(gga) or gga == "":
        damping = number(tags, "BPARAM")
        usual = {"SCAN": 15.7, "R2SCAN": 11.95}.get(base)
        told = "" if damping is None or damping == usual else f"({damping:g})"
        return f"{base}+rVV10{told}"
    found = {name: number(tags, name) for name in _NONLOCAL_DEFAULTS}
    values = {k: _NONLOCAL_DEFAULTS[k] if v is None else v for k, v in found.items()}
    semilocal = number(tags, "AGGAC")
    # Without AGGAC = 0 the correlation of the gradient is counted twice.
    suffix = f"(AGGAC={semilocal:g})" if semilocal else ""
    for key, wanted, name in _NONLOCAL:
        if key == gga and all(abs(values[k] - v) < _SAME for k, v in wanted.items()):
            return name + suffix
    told = ",".join(f"{k}={v:g}" for k, v in values.items())
    return f"{base}-vdW({told}){suffix}"


def _hubbard(tags: Mapping[str, Any], elements: Sequence[str]) -> str:
    """Return the +U of the kinds of atoms, such as ``+U(Ni-d 6.2)``."""
    if not is_true(tags, "LDAU"):
        return ""
    shells, us, js = (_listed(tags, name) for name in ("LDAUL", "LDAUU", "LDAUJ"))
    told = []
    for i, u in enumerate(us):
        j = js[i] if i < len(js) else 0.0
        shell = shells[i] if i < len(shells) else None
        if shell == -1 or not (u or j):
            continue
        name = elements[i] if i < len(elements) else f"kind {i + 1}"
        name += f"-{_SHELLS[int(shell)]}" if shell in (0, 1, 2, 3) else ""
        simplified = number(tags, "LDAUTYPE") in (None, 2.0)  # of Dudarev: U - J alone counts
        told.append(f"{name} {u - j:g}" if simplified else f"{name} {u:g},{j:g}")
    return f"+U({'; '.join(sorted(set(told)))})" if told else "+U"


def _listed(tags: Mapping[str, Any], name: str) -> list[float]:
    if not is_set(tags, name):
        return []
    values = tags[name] if isinstance(tags[name], list) else [tags[name]]
    plain = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    return [float(v) for v in plain] if len(plain) == len(values) else []


def _dispersion(tags: Mapping[str, Any], base: str) -> str:
    """Return the correction for dispersion by its number, with parameters of its own."""
    kind = number(tags, "IVDW")
    if not kind and is_true(tags, "LVDW"):  # until VASP 5.3.2
        kind = 10.0
    if not kind:
        return ""
    kind = _SAME_DISPERSION.get(int(kind), int(kind))
    usual = _OF_PBE.get(kind, {}) if base == "PBE" else {}
    own = {k: v for k in _DAMPING if (v := number(tags, k)) is not None}
    told = [
        f"{k.removeprefix('VDW_')}={v:g}"
        for k, v in own.items()
        if k not in usual or abs(v - usual[k]) > _SAME
    ]
    return f"+IVDW{kind}" + (f"({','.join(told)})" if told else "")
