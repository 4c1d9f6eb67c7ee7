"""Level of theory of a run of CP2K, from the lines of its output or the sections of its input."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiida_nanoclusters.formats.cp2k.trajectory import number

#: What pairs of functionals are called, by the names CP2K prints, with their variants.
_PAIRS = {
    ("GGA_X_PBE", "GGA_C_PBE"): "PBE",
    ("GGA_X_PBE_R", "GGA_C_PBE"): "revPBE",
    ("GGA_X_PBE_SOL", "GGA_C_PBE_SOL"): "PBEsol",
    ("GGA_X_RPBE", "GGA_C_PBE"): "RPBE",
    ("GGA_X_PW91", "GGA_C_PW91"): "PW91",
    ("GGA_X_B88", "GGA_C_LYP"): "BLYP",
    ("BECKE88", "LYP"): "BLYP",
    ("BECKE88", "P86C"): "BP86",
    ("MGGA_X_SCAN", "MGGA_C_SCAN"): "SCAN",
    ("MGGA_X_RSCAN", "MGGA_C_RSCAN"): "rSCAN",
    ("MGGA_X_R2SCAN", "MGGA_C_R2SCAN"): "r2SCAN",
    ("MGGA_X_TPSS", "MGGA_C_TPSS"): "TPSS",
}
_NAME = re.compile(r"\s*FUNCTIONAL\|\s([A-Z0-9][\w+-]{0,60}):\s*$")
_SCALES = re.compile(r"(?:\bscale|\bsx|sc)\s*=\s*(-?[\d.]{1,12})")
_FRACTION = re.compile(r"HFX_INFO\| FRACTION:\s+(\S+)")
_POTENTIAL = re.compile(r"HFX_INFO\| Interaction Potential:\s+(\S.*?)\s*$")
_RADIUS = re.compile(r"HFX_INFO\| Cutoff Radius \[angstrom\]:\s+(\S+)")
_OMEGA = re.compile(r"HFX_INFO\| Omega:\s+(\S+)")
_BASIS = re.compile(r"^\s+Orbital Basis Set\s+(\S+)\s*$")
_PSEUDO = re.compile(r"^\s+(?:GTH|ECP|SGP|AE) Potential information for\s+(\S+)\s*$")
_KIND = re.compile(r"^\s+\d{1,6}\. Atomic kind: (\S+)")
_U = re.compile(r"U\(eff\) = \(U - J\) value in \[(\w+)\]:\s+(\S+)")
_CUTOFF = re.compile(r"QS\| Density cutoff \[a\.u\.\]:\s+(\S+)")
_METHOD = re.compile(r"QS\| Method:\s+(\S+)")
#: Correlation of wave functions, which is added to the energy after the self-consistent field.
_CORRELATION = re.compile(r"^\s+(Second order perturbation|RI-RPA) energy\s+=\s")
_BANNER = re.compile(r"^\s{30,40} (GFN\d-xTB|IPEA1-xTB)\s*$")
_SELF_INTERACTION = re.compile(r"DFT\| Self-interaction correction \(SIC\)\s+(\S+)")
#: The authors of its modules are all that tells a method where little is printed.
_AUTHORS = {
    "J. Hutter and A. Hehn": "xTB",
    "J. Hutter and T. Heine": "DFTB",
    "T. Laino and J. Hutter": "semi-empirical",
}
_DISPERSIONS = (
    ("DFT-D2", "-D2"),
    ("DFT-D3", "-D3"),
    ("DFT-D4", "-D4"),
    ("RVV10 Functional", "+rVV10"),
    ("DRSLL Functional", "+vdW-DF(DRSLL)"),
    ("LMKLL Functional", "+vdW-DF2(LMKLL)"),
)
#: Methods of Quickstep without a functional.
SEMI_EMPIRICAL = ("AM1", "MNDO", "MNDOD", "PDG", "PM3", "PM6", "PM6-FM", "PNNL", "RM1")


@dataclass
class Theory:
    """What has been said of the level of theory.

    Attributes
    ----------
    functionals
        Text on each functional by its name, in the order of CP2K; the variant and scale are in it.
    exchange
        Exact exchange: its fraction, as it is printed, and its potential.
    dispersion
        Suffix of the functional.
    hubbard
        U in eV by the name of the kind.
    bases, pseudopotentials
        Names by kind.
    method
        Tight binding or another method without a functional; empty for density functionals.
    cutoff
        Of the density, in Ry.
    """

    functionals: dict[str, str] = field(default_factory=dict)
    exchange: dict[str, str] = field(default_factory=dict)
    dispersion: str = ""
    hubbard: dict[str, str] = field(default_factory=dict)
    bases: dict[str, str] = field(default_factory=dict)
    pseudopotentials: dict[str, str] = field(default_factory=dict)
    method: str = ""
    cutoff: float | None = None
    extras: list[str] = field(default_factory=list)
    _kind: str = ""
    _functional: str = ""

    def read(self, line: str) -> None:
        """Read one line of the output."""
        if "|" in line:
            self._read_tagged(line)
        elif "Atomic kind:" in line and (found := _KIND.match(line)):
            self._kind = found[1]
        elif "Orbital Basis" in line and (found := _BASIS.match(line)):
            self.bases[self._kind] = found[1]
        elif "Potential information" in line and (found := _PSEUDO.match(line)):
            self.pseudopotentials[self._kind] = found[1]
        elif "DFT+U correction is applied to atoms" in line:
            self.hubbard.setdefault(self._kind, "")
        elif "U(eff)" in line and (found := _U.search(line)):
            self.hubbard[self._kind] = f"{number(found[2]):g} {found[1]}"
        elif "-xTB" in line and (found := _BANNER.match(line)):
            self.method = found[1]
        elif "energy  =" in line and (found := _CORRELATION.match(line)):
            self._add("+RPA" if found[1] == "RI-RPA" else "+MP2")
        elif "." in line and (authors := line.strip()) in _AUTHORS:
            self.method = self.method or _AUTHORS[authors]

    def _read_tagged(self, line: str) -> None:
        tag = line.partition("|")[0].strip()
        if tag == "FUNCTIONAL":
            if found := _NAME.match(line):
                self._functional = found[1]
                self.functionals[found[1]] = ""
            elif self._functional:
                text = line.partition("|")[2].rstrip("\n")[1:68]  # a text is broken anywhere
                self.functionals[self._functional] += text
        elif tag == "HFX_INFO":
            for key, pattern in (
                ("fraction", _FRACTION),
                ("potential", _POTENTIAL),
                ("radius", _RADIUS),
                ("omega", _OMEGA),
            ):
                if found := pattern.search(line):
                    self.exchange[key] = found[1]
            self.exchange.setdefault("fraction", "")
        elif tag == "vdW POTENTIAL":
            for words, suffix in _DISPERSIONS:
                if words in line:
                    self.dispersion = suffix
            if "BJ Damping" in line:
                self.dispersion = "-D3(BJ)"
        elif tag == "QS":
            if found := _CUTOFF.search(line):
                self.cutoff = 2 * number(found[1])
            elif (found := _METHOD.search(line)) and found[1] in SEMI_EMPIRICAL:
                self.method = found[1]
        elif tag == "DFT+U":
            self.hubbard.setdefault("", "")
        elif tag == "xTB":
            self.method = self.method or "xTB"
        elif tag == "DFT":
            found = _SELF_INTERACTION.search(line)
            if found and found[1] != "NO":
                self._add(f"+SIC({found[1]})")
        elif tag == "SCCS":
            self._add("+SCCS")

    def _add(self, extra: str) -> None:
        if extra not in self.extras:
            self.extras.append(extra)

    def level(self, version: str = "", detail: Sequence[str] = ()) -> str:
        """Return the level of theory, such as ``CP2K/PBE-D3/DZVP-MOLOPT-SR-GTH``; empty if unknown.

        Parameters
        ----------
        version
            Of CP2K: up to 2023 its only extended tight binding was GFN1-xTB.
        detail
            ``cutoff`` and ``pseudopotentials``, where they are to be named, too.
        """
        method = self.method
        if method == "xTB":
            old = number(version.partition("-")[0]) < 2024
            method = "GFN1-xTB" if old or not version else "xTB"
        if method:
            return "/".join(["CP2K", method + self._hubbard()])
        if not self.functionals:
            return ""
        functional = self._exchange(_functional(self.functionals))
        text = functional + self._hubbard() + self.dispersion + "".join(self.extras)
        parts = ["CP2K", text, _names(self.bases)]
        if "pseudopotentials" in detail:
            parts.append(_names(self.pseudopotentials))
        if "cutoff" in detail and self.cutoff is not None:
            parts.append(f"{self.cutoff:g} Ry")
        return "/".join(part for part in parts if part)

    def _hubbard(self) -> str:
        values = sorted(f"{kind} {u}" for kind, u in self.hubbard.items() if kind and u)
        return (f"+U({', '.join(values)})" if values else "+U") if self.hubbard else ""

    def _exchange(self, functional: str) -> str:
        """Add the exact exchange to the functional of density."""
        if not self.exchange:
            return functional
        fraction = number(self.exchange["fraction"])
        potential = self.exchange.get("potential", "")
        omega, radius = (number(self.exchange.get(key, "")) for key in ("omega", "radius"))
        short = potential == "SHORTRANGE"
        if fraction == 0.25 and functional == "PBE(0.75, 1)" and potential != "LONGRANGE":
            if potential == "COULOMB":
                return "PBE0"
            if potential == "TRUNCATED":
                return f"PBE0(truncated at {radius:g} Å)"
        if (fraction, functional, short, omega) == (0.25, "PBE(0, 1)+XWPBE", True, 0.11):
            return "HSE06"
        range_ = f", omega {omega:g}" if omega == omega else ""
        range_ += f", {radius:g} Å" if "TRUNC" in potential else ""
        return f"{functional}+HFX({fraction:g}, {potential}{range_})"


def _functional(functionals: dict[str, str]) -> str:
    """Return the name of a combination of functionals, with scales other than 1."""
    names = tuple(functionals)
    scales = {name: _scales(text) for name, text in functionals.items()}
    if names in _PAIRS and not any(scales.values()):
        return _PAIRS[names]
    return "+".join(_variant(name, functionals[name]) + scales[name] for name in names)


def _variant(name: str, text: str) -> str:
    """Return the name by which the variant of a functional is known; CP2K cites its paper."""
    if name == "PBE":
        return next((word for word in ("revPBE", "PBEsol") if word in text), name)
    return name


def _scales(text: str) -> str:
    values = [number(word) for word in _SCALES.findall(text)]
    if all(value == 1.0 for value in values):
        return ""
    return f"({', '.join(f'{value:g}' for value in values)})"


def _names(by_kind: dict[str, str]) -> str:
    """Return basis sets or the like; numbers of electrons of elements do not tell them apart."""
    names = sorted(set(by_kind.values()))
    if len(names) > 1:
        names = sorted({re.sub(r"-q\d{1,3}$", "", name) for name in names})
    return "+".join(names)
