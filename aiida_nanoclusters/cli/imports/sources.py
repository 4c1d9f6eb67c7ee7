"""Sources of an import: each knows how to check itself and how to be stored."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida.orm import QueryBuilder
from aiida.tools.archive import import_archive
from ase.io.formats import UnknownFileTypeError, filetype

from aiida_nanoclusters.cli.imports.archive_checks import (
    Found,
    archive_errors,
    check_archive_content,
    migrated,
    read_extras,
)
from aiida_nanoclusters.cli.imports.settling import (
    Arrival,
    expect,
    nodes_of,
    settle,
    settle_all,
)
from aiida_nanoclusters.cli.launch.nodes import stored
from aiida_nanoclusters.cli.launch.options import get_frames, get_potential, parse_atom_energy
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import CARRIES_CODE, may_run, nothing_granted, trust
from aiida_nanoclusters.formats.extxyz import read_extxyz
from aiida_nanoclusters.formats.publication.archive_file import archive_kind, check_archive
from aiida_nanoclusters.formats.publication.checksums import SUMS_FILE, check_checksums
from aiida_nanoclusters.formats.publication.readme import ARCHIVE_FILE
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.sanity import check_frames

#: Kind of a potential of LAMMPS by how the name of its file ends.
_CLASSICAL = {".eam.alloy": "eam/alloy", ".eam.fs": "eam/fs", ".eam": "eam"}
_FRAMES = (".extxyz", ".xyz")


def prepare(
    path: Path,
    folder: Path,
    max_bytes: int,
    level: str | None,
    atom_energy: tuple[str, ...],
    *,
    trusted: bool = False,
) -> ArchiveSource | PotentialSource | FramesSource:
    """Return a path as a source that has been checked.

    Parameters
    ----------
    path
        File, or published folder.
    folder
        For what is made of it meanwhile.
    max_bytes
        Largest size, also when unpacked.
    level, atom_energy
        Level of theory, and energies of isolated atoms, of a single file.
    trusted
        Whether its maker is trusted: then an archive may add links to nodes that are here.

    Raises
    ------
    Fixable
        Naming the file and what is wrong with it.
    """
    try:
        if path.is_dir():
            return _prepare_folder(path, folder, max_bytes, trusted)
        if not path.is_file():
            raise Fixable(f"no file or folder {path}")
        if path.stat().st_size > max_bytes:
            raise Fixable(f"{path.name} is larger than --max-size allows")
        kind = archive_kind(path)
        if kind is not None:
            check_archive(path, max_bytes)
        if kind == "aiida":
            return _prepare_archive(path, folder, path, trusted)
        if kind is not None:
            return _prepare_potential(path, kind, level)
        return _prepare_plain(path, level, atom_energy)
    except (ValueError, UnknownFileTypeError) as error:
        raise Fixable(" ".join(str(error).split())) from error


def _prepare_folder(path: Path, folder: Path, max_bytes: int, trusted: bool) -> ArchiveSource:
    if not (path / SUMS_FILE).is_file():
        raise Fixable(f"{path} has no {SUMS_FILE}: give a published folder, or files in it")
    if ARCHIVE_FILE not in check_checksums(path, max_bytes):
        raise Fixable(f"{path} has no {ARCHIVE_FILE}: give the files in it that you want")
    archive = path / ARCHIVE_FILE
    if archive_kind(archive) != "aiida":
        raise Fixable(f"{archive} is no AiiDA archive")
    check_archive(archive, max_bytes)
    return _prepare_archive(archive, folder, path, trusted)


def _prepare_archive(archive: Path, folder: Path, path: Path, trusted: bool) -> ArchiveSource:
    own = Path(tempfile.mkdtemp(dir=folder))
    current = migrated(archive, own)
    found = check_archive_content(archive.name, current, own, trusted=trusted)
    return ArchiveSource(path, archive, current, found)


def _prepare_potential(path: Path, kind: str, level: str | None) -> PotentialSource:
    PotentialData.from_file(path, kind, level_of_theory=level or path.name)
    return PotentialSource(path, kind, level)


def _prepare_plain(
    path: Path, level: str | None, atom_energy: tuple[str, ...]
) -> PotentialSource | FramesSource:
    for ending, kind in _CLASSICAL.items():
        if path.name.endswith(ending):
            return _prepare_potential(path, kind, level)
    if path.suffix == ".lmdb":
        raise Fixable(
            f"{path.name}: an LMDB of nequip holds pickled objects, which run code when read: give "
            "the extended XYZ beside it"
        )
    if path.suffix not in _FRAMES:
        raise Fixable(
            f"{path.name} is no archive, potential or extended XYZ: labels of other programs come "
            "in by `aiida-nanoclusters import-labels`"
        )
    if filetype(str(path)) not in ("extxyz", "xyz"):  # some that ASE reads run code
        raise Fixable(f"{path.name} is no extended XYZ, whatever its name")
    energies = dict(parse_atom_energy(text) for text in atom_energy)
    frames = read_extxyz(path, level_of_theory=level or "", atom_energies=energies or None)
    check_frames(frames)
    if frames.labelled.any() and not frames.level_of_theory:
        raise Fixable(f"{path.name} does not say what its labels are: give --level")
    return FramesSource(path, frames, atom_energy)


@dataclass(frozen=True)
class ArchiveSource:
    """An AiiDA archive, or the folder it lies in."""

    path: Path
    archive: Path
    current: Path  # of the newest schema
    found: Found

    @property
    def what(self) -> str:
        """What there is in it."""
        new, known = len(self.found.new), len(self.found.known)
        count = f"{new + known} nodes, {new} of them new"
        if self.current != self.archive:
            count += ", of an older schema, which is brought up to date"
        return f"AiiDA archive of {count}"

    def store(self, trusted: bool) -> list[str]:
        """Import it, in one transaction of AiiDA's; return what was done."""
        settle_all()  # what an import that was killed has left to do
        new, computers = sorted(self.found.new), sorted(self.found.computers)
        if new:
            extras = {} if trusted else read_extras(self.current)
            group = expect(Arrival(new, computers, extras, trusted))
            with archive_errors(self.archive):
                import_archive(
                    self.current,
                    group=group,
                    # extras come after, so that a kill cannot leave those that mark results as ours
                    import_new_extras=trusted,
                    # what is here stays as it is
                    merge_extras=("k", "n", "l"),
                    merge_comments="leave",
                    include_authinfos=False,
                )
            settle(group)
        lines = [f"{self.path}: {self.what}"]
        potentials = _potentials(self.found.new | self.found.known)
        for potential in potentials if trusted else ():
            if not may_run(potential):
                trust(potential)
        return lines + _untrusted(potentials)


@dataclass(frozen=True)
class PotentialSource:
    """The file of a potential."""

    path: Path
    kind: str
    level: str | None

    @property
    def what(self) -> str:
        """What it is."""
        return f"potential of kind {self.kind}"

    def store(self, trusted: bool) -> list[str]:
        """Store it, unless the profile has it; return what was done."""
        level = self.level or self.path.name
        with nothing_granted():
            if self.kind in CARRIES_CODE:  # which a launch would run to ask for its energies
                made = PotentialData.from_file(self.path, self.kind, level_of_theory=level)
                node = stored(made)
            else:
                node = get_potential(str(self.path.absolute()), self.kind, level)
        if trusted and not may_run(node):
            trust(node)
        return [f"{self.path}: PotentialData {node.uuid}", *_untrusted([node])]


@dataclass(frozen=True)
class FramesSource:
    """Extended XYZ."""

    path: Path
    frames: Frames
    atom_energy: tuple[str, ...]

    @property
    def what(self) -> str:
        """How many there are."""
        return f"{len(self.frames)} frames"

    def store(self, trusted: bool) -> list[str]:
        """Store them, unless the profile has equal ones; return what was done."""
        fresh = FramesData(self.frames)
        content = fresh.base.repository.hash()
        filters = {"attributes.n_frames": len(fresh)}
        for known in QueryBuilder().append(FramesData, filters=filters).all(flat=True):
            if known.base.repository.hash() == content:
                return [f"{self.path}: FramesData {known.uuid}, which was here"]
        level = self.frames.level_of_theory
        node = get_frames(str(self.path.absolute()), level, self.atom_energy)
        return [f"{self.path}: FramesData {node.uuid}"]


def _potentials(uuids: Iterable[str]) -> list[PotentialData]:
    found: list[Any] = [n for n in nodes_of(uuids) if isinstance(n, PotentialData)]
    return [node for node in found if node.kind in CARRIES_CODE]


def _untrusted(potentials: Sequence[PotentialData]) -> list[str]:
    barred = [node.uuid for node in potentials if not may_run(node)]
    if not barred:
        return []
    return [
        f"{len(barred)} potentials carry code, which does not run before you say so: "
        f"aiida-nanoclusters trust {' '.join(barred)}"
    ]
