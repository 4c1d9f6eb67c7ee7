"""Files of whole protected clusters: XYZ, CIF with symmetry and disorder, MOL2.

All of them are text and are read within limits; nothing in them runs.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.cell import Cell
from ase.data import atomic_numbers

from aiida_nanoclusters.formats.crystal_disorder import Sites, ordered, without_clashes
from aiida_nanoclusters.formats.crystal_symmetry import images, operations
from aiida_nanoclusters.formats.extxyz import check_extxyz, read_comment
from aiida_nanoclusters.formats.limits import is_packed, read_text, unpacked
from aiida_nanoclusters.formats.plain_text import said_by
from aiida_nanoclusters.formats.star_text import Block, number, read_blocks
from aiida_nanoclusters.science.ligands.contacts import check_density
from aiida_nanoclusters.science.ligands.protected_cluster import NotACluster, told_charge
from aiida_nanoclusters.science.ligands.split_settings import SplitSettings

#: A structure, where it is from, and its charge in e where that is told.
ClusterEntry = tuple[Atoms, str, int | None]

#: Name of the table of charges beside the files.
CHARGES = "charges.csv"
#: Bytes of the largest CIF, which may hold the reflections, and of the largest other file.
_MOST_CIF, _MOST_TEXT = 100_000_000, 200_000_000
_MOST_FOLDERS, _MOST_STRUCTURES = 100, 100_000
#: Å; and beyond all angles.
_LONGEST_PERIOD = 10_000
_DEFAULT = SplitSettings()
_SYMBOL = re.compile(r"([A-Za-z])([A-Za-z]?)")


def find_cluster_files(paths: Iterable[str | Path]) -> Iterator[Path]:
    """Yield files of clusters in alphabetical order; folders are searched with their subfolders.

    Links to folders are not followed. A file that is named itself is always yielded.
    """
    seen: set[Path] = set()
    for start in map(Path, paths):
        for path in sorted(_below(start)) if start.is_dir() else [start]:
            if path not in seen and (path == start or _kind(path)):
                seen.add(path)
                yield path


def read_clusters(
    paths: Iterable[str | Path], settings: SplitSettings = _DEFAULT
) -> tuple[list[ClusterEntry], list[dict[str, str]]]:
    """Return the structures of files and folders.

    Returns
    -------
    entries
        As of :func:`read_cluster_file`; the origin is the path from the folder that was given.
    left_out
        Of each file that cannot be read: `origin`, `reason` (`unreadable` or one of
        `protected_cluster.REASONS`) and `message`.
    """
    entries: list[ClusterEntry] = []
    left_out = []
    for start in map(Path, paths):
        for path in find_cluster_files([start]):
            name = str(path.relative_to(start)) if start.is_dir() else path.name
            try:
                found = read_cluster_file(path, settings)
            except ValueError as error:
                reason = getattr(error, "reason", "unreadable")
                left_out.append({"origin": name, "reason": reason, "message": said_by(error, 300)})
                continue
            entries += [(a, name + o.removeprefix(path.name), charge) for a, o, charge in found]
    return entries, left_out


def read_cluster_file(path: str | Path, settings: SplitSettings = _DEFAULT) -> list[ClusterEntry]:
    """Return the structures of a file, with where they are from and the charges that are told.

    Parameters
    ----------
    path
        A file ``.xyz``, ``.extxyz``, ``.cif`` or ``.mol2``, which may be compressed (.gz, .xz,
        .bz2).
    settings
        What becomes of disorder in crystals.

    Returns
    -------
    list
        Structure, origin (``name.cif``, of several ``name.cif#2``), and charge in e: of the file
        ``charges.csv`` beside it (columns `file` and `charge`), else ``charge`` of the comment of
        extended XYZ, else None. What was done about disorder is in ``info["disorder"]``.

    Raises
    ------
    NotACluster
        If a crystal is disordered in a way that is refused.
    ValueError
        If the file cannot be read; the message names the fix.
    """
    path = Path(path)
    kind = _kind(path)
    if not kind:
        known = ", ".join(_READERS)
        raise ValueError(f"{path.name} is of no kind that is read here: give one of {known}")
    if not path.is_file():
        raise ValueError(f"no file at {path}")
    try:
        with unpacked(path) as plain:
            structures = _READERS[kind](plain, settings)
    except NotACluster as error:
        raise NotACluster(error.reason, f"{path.name}: {error}") from error
    except Exception as error:  # what readers raise on files that are wrong is any
        raise ValueError(f"{path.name} cannot be read: {said_by(error, 300)}") from error
    if not structures:
        raise ValueError(f"{path.name} has no structure with coordinates")
    charges = read_charges(path.parent / CHARGES)
    entries = []
    for k, atoms in enumerate(structures):
        origin = path.name if len(structures) == 1 else f"{path.name}#{k + 1}"
        entries.append((atoms, origin, _charge(atoms, charges, (origin, path.name))))
    return entries


def read_charges(path: Path) -> dict[str, int]:
    """Return the charges in e of a table with the columns `file` and `charge`, by file name.

    Returns
    -------
    dict
        Empty where there is no such file.

    Raises
    ------
    ValueError
        If a column is missing, or a charge is no whole number.
    """
    if not path.is_file():
        return {}
    rows = csv.DictReader(StringIO(read_text(path)), skipinitialspace=True)
    if not {"file", "charge"} <= {*(rows.fieldnames or ())}:
        raise ValueError(f"{path.name} needs the columns `file` and `charge`")
    charges = {}
    for row in rows:
        text = (row["charge"] or "").strip()
        if not re.fullmatch(r"[+-]?\d{1,3}", text):
            raise ValueError(f"{path.name}: the charge of {row['file']} is no whole number: {text}")
        charges[(row["file"] or "").strip()] = int(text)
    return charges


def _charge(atoms: Atoms, charges: Mapping[str, int], names: Sequence[str]) -> int | None:
    listed = (charges[name] for name in names if name in charges)
    return next(listed, told_charge(atoms))


def _kind(path: Path) -> str:
    name = path.stem if is_packed(path) else path.name
    suffix = Path(name).suffix.lower()
    return suffix if suffix in _READERS else ""


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        if len(Path(place).relative_to(folder).parts) >= _MOST_FOLDERS:
            folders.clear()
        yield from (Path(place, name) for name in files)


def _read_xyz(path: Path, settings: SplitSettings) -> list[Atoms]:
    check_extxyz(path)
    with path.open(encoding="utf-8", newline="\n") as text:
        found: Any = ase.io.read(
            text,
            index=f":{_MOST_STRUCTURES}",
            format="extxyz",
            properties_parser=read_comment,
            do_not_split_by_at_sign=True,
        )
    for atoms in found:
        atoms.calc = None
        if not atoms.cell.rank:
            atoms.pbc = False
    return list(found)


def _read_mol2(path: Path, settings: SplitSettings) -> list[Atoms]:
    """Read the atoms of each molecule; bonds are found by distance, and the cell is not applied."""
    made: list[tuple[list[str], list[list[float]]]] = []
    section = ""
    for line in read_text(path, _MOST_TEXT).splitlines():
        if line.startswith("@<TRIPOS>"):
            section = line[9:].strip()
            if section == "MOLECULE":
                made.append(([], []))
            continue
        words = line.split()
        if section != "ATOM" or not words or words[0].startswith("#"):
            continue
        if len(words) < 6 or not made:
            raise ValueError(f"`{line[:60]}` is no atom of a molecule")
        made[-1][0].append(_element(words[5], words[1]))
        made[-1][1].append([number(word) for word in words[2:5]])
    return [Atoms(symbols, positions) for symbols, positions in made if symbols]


def _read_cif(path: Path, settings: SplitSettings) -> list[Atoms]:
    blocks = read_blocks(_cif_text(path))
    return [_crystal(block, settings) for block in blocks if block.column("_atom_site_fract_x")]


def _cif_text(path: Path) -> str:
    """Return a CIF, whose names of people may be in the encoding of old programs."""
    try:
        return read_text(path, _MOST_CIF)
    except ValueError:
        if path.stat().st_size > _MOST_CIF:
            raise
        return path.read_bytes().decode("latin-1")


def _crystal(block: Block, settings: SplitSettings) -> Atoms:
    """Return the whole cell of a crystal, one alternative of each disordered part."""
    all_sites = _sites(block)
    if len(all_sites.symbols) > settings.most_atoms:
        raise NotACluster(
            "too_large",
            f"{len(all_sites.symbols)} sites are more than {settings.most_atoms}: raise "
            "`most_atoms`",
        )
    check_density(all_sites.atoms())
    sites, told = ordered(all_sites, settings)
    symmetry = operations(
        block.column(
            "_space_group_symop_operation_xyz",
            "_space_group_symop.operation_xyz",
            "_symmetry_equiv_pos_as_xyz",
        ),
        block.value("_space_group_name_h-m_alt", "_symmetry_space_group_name_h-m"),
        block.value("_space_group_it_number", "_symmetry_int_tables_number"),
    )
    if len(symmetry) * len(sites.symbols) > 10 * settings.most_atoms:
        raise NotACluster(
            "too_large",
            f"{len(sites.symbols)} sites and {len(symmetry)} operations make more than "
            f"{settings.most_atoms} atoms: raise `most_atoms`",
        )
    positions, distinct = images(sites.scaled, symmetry, sites.cell)
    kept = without_clashes(sites, positions, distinct)
    if kept.sum() < distinct.sum():
        told.append(f"{distinct.sum() - kept.sum()} atoms that symmetry lays on others left out")
    symbols = [sites.symbols[k] for _, k in np.argwhere(kept)]
    atoms = Atoms(symbols, scaled_positions=positions[kept], cell=sites.cell, pbc=True)
    if told:
        atoms.info["disorder"] = "; ".join(told)
    return atoms


def _sites(block: Block) -> Sites:
    """Return the sites of a data block that have coordinates.

    Raises
    ------
    ValueError
        If the cell is missing, or the columns have different lengths.
    """
    names = [*(f"_cell_length_{k}" for k in "abc"), *(f"_cell_angle_{k}" for k in _ANGLES)]
    if missing := [name for name in names if not block.value(name)]:
        raise ValueError(f"`{missing[0]}` is missing: give the cell")
    lengths = [number(block.value(name)) for name in names]
    if not all(0 < x <= _LONGEST_PERIOD for x in lengths):
        raise ValueError(f"its cell is none: {lengths}")
    cell = Cell.fromcellpar(lengths)
    if not np.isfinite(cell.array).all() or not cell.volume > 0:
        raise ValueError("its cell has no volume")
    axes = [block.column(f"_atom_site_fract_{k}") for k in "xyz"]
    n = len(axes[0])
    labels = block.column("_atom_site_label") or [""] * n
    types = block.column("_atom_site_type_symbol") or [""] * n
    occupancies = block.column("_atom_site_occupancy") or ["1"] * n
    groups = block.column("_atom_site_disorder_group") or ["."] * n
    assemblies = block.column("_atom_site_disorder_assembly") or ["."] * n
    flags = block.column("_atom_site_calc_flag") or ["."] * n
    columns = (*axes, labels, types, occupancies, groups, assemblies, flags)
    if any(len(column) != n for column in columns):
        raise ValueError("its columns of atoms have different lengths")
    used = [k for k in range(n) if flags[k] != "dum" and "?" not in {axis[k] for axis in axes}]
    return Sites(
        symbols=tuple(_element(types[k], labels[k]) for k in used),
        scaled=np.array([[number(axis[k]) % 1 for axis in axes] for k in used]).reshape(-1, 3),
        occupancies=np.array([_or(occupancies[k], 1.0) for k in used], dtype=float),
        groups=np.array([int(_or(groups[k], 0.0)) for k in used], dtype=np.int64),
        assemblies=tuple(assemblies[k] for k in used),
        cell=cell,
    )


_ANGLES = ("alpha", "beta", "gamma")


def _or(text: str, default: float) -> float:
    """Return a number; the default where the file leaves it open, 1 for a name of a group."""
    if text in (".", "?", ""):
        return default
    try:
        return number(text)
    except ValueError:
        return 1.0 + sum(map(ord, text[:20]))


def _element(kind: str, label: str) -> str:
    """Return the chemical symbol of an atom by its type (``Au1+``, ``C.ar``), else by its label.

    Raises
    ------
    ValueError
        If neither names an element.
    """
    for text, told in ((kind, True), (label, False)):
        match = _SYMBOL.match(text)
        if match is None or text in ("Du", "LP", "Any", "Hal", "Het", "Hev"):
            continue
        one, two = match[1].upper(), match[1].upper() + match[2].lower()
        if "D" in (one, two) and two not in atomic_numbers:
            return "H"
        # In a label a second capital is mostly no part of the symbol: CA1 is carbon, AU1 gold.
        order = (
            (two, one) if told or match[2].islower() or two in ("Ag", "Au", "Cu") else (one, two)
        )
        for symbol in order:
            if atomic_numbers.get(symbol, 0) > 0:
                return symbol
    raise ValueError(f"the atom `{(label or kind)[:20]}` has no chemical symbol")


#: Readers by the ending of the name.
_READERS: dict[str, Callable[[Path, SplitSettings], list[Atoms]]] = {
    ".xyz": _read_xyz,
    ".extxyz": _read_xyz,
    ".cif": _read_cif,
    ".mol2": _read_mol2,
}
