"""Sources of an import: each knows how to check itself and how to be stored."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida.orm import Computer, Group, ImportGroup, Node, ProcessNode, QueryBuilder, RemoteData
from aiida.tools.archive import import_archive
from ase.io.formats import UnknownFileTypeError, filetype

from aiida_nanoclusters.cli.imports.checks import (
    archive_errors,
    check_nodes,
    migrated,
    read_extras,
)
from aiida_nanoclusters.cli.launch import get_frames, get_potential, parse_atom_energy
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.trust import CARRIES_CODE, IMPORTED, may_run, trust
from aiida_nanoclusters.formats.archive_file import archive_kind, check_archive
from aiida_nanoclusters.formats.checksums import SUMS_FILE, check_checksums
from aiida_nanoclusters.formats.extxyz import read_extxyz
from aiida_nanoclusters.formats.publication import ARCHIVE_FILE
from aiida_nanoclusters.queries.nodes import chunks
from aiida_nanoclusters.science.checks import check_frames
from aiida_nanoclusters.science.frames import Frames

#: Kind of a potential of LAMMPS by how the name of its file ends.
_CLASSICAL = {".eam.alloy": "eam/alloy", ".eam.fs": "eam/fs", ".eam": "eam"}
_FRAMES = (".extxyz", ".xyz")
#: Beginnings of the extras by which AiiDA and this package find results to use again.
_PRIVATE = ("nanoclusters_", "_aiida_")


def prepare(
    path: Path, folder: Path, max_bytes: int, level: str | None, atom_energy: tuple[str, ...]
) -> ArchiveSource | PotentialSource | FramesSource:
    """Return a path as a source that has been checked; `folder` is for what is made of it.

    Raises
    ------
    Fixable
        Naming the file and what is wrong with it.
    """
    try:
        if path.is_dir():
            return _prepare_folder(path, folder, max_bytes)
        if not path.is_file():
            raise Fixable(f"no file or folder {path}")
        if path.stat().st_size > max_bytes:
            raise Fixable(f"{path.name} is larger than --max-size allows")
        kind = archive_kind(path)
        if kind is not None:
            check_archive(path, max_bytes)
        if kind == "aiida":
            return _prepare_archive(path, folder, path)
        if kind is not None:
            return _prepare_potential(path, kind, level)
        return _prepare_plain(path, level, atom_energy)
    except (ValueError, UnknownFileTypeError) as error:
        raise Fixable(" ".join(str(error).split())) from error


def _prepare_folder(path: Path, folder: Path, max_bytes: int) -> ArchiveSource:
    if not (path / SUMS_FILE).is_file():
        raise Fixable(f"{path} has no {SUMS_FILE}: give a published folder, or files in it")
    if ARCHIVE_FILE not in check_checksums(path, max_bytes):
        raise Fixable(f"{path} has no {ARCHIVE_FILE}: give the files in it that you want")
    archive = path / ARCHIVE_FILE
    if archive_kind(archive) != "aiida":
        raise Fixable(f"{archive} is no AiiDA archive")
    check_archive(archive, max_bytes)
    return _prepare_archive(archive, folder, path)


def _prepare_archive(archive: Path, folder: Path, path: Path) -> ArchiveSource:
    current = migrated(archive, Path(tempfile.mkdtemp(dir=folder)))
    new, known, computers = check_nodes(archive.name, current)
    return ArchiveSource(path, archive, current, new, known, computers)


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
    new: set[str]
    known: set[str]
    computers: set[str]

    @property
    def what(self) -> str:
        """What there is in it."""
        count = f"{len(self.new) + len(self.known)} nodes, {len(self.new)} of them new"
        if self.current != self.archive:
            count += ", of an older schema, which is brought up to date"
        return f"AiiDA archive of {count}"

    def store(self, trusted: bool) -> list[str]:
        """Import it, in one transaction of AiiDA's; return what was done."""
        if self.new:
            with archive_errors(self.archive):
                # extras come after, so that a kill cannot leave those that mark results as ours
                pk = import_archive(self.current, import_new_extras=trusted)
            _settle_group(pk, self.known)
            _mark(self.new, {} if trusted else read_extras(self.current), trusted)
            _relabel(self.computers)
        lines = [f"{self.path}: {self.what}"]
        if trusted:
            for potential in _potentials(self.new | self.known):
                if not may_run(potential):
                    trust(potential)
        return lines + _untrusted(_potentials(self.new | self.known))


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
        newest = (
            QueryBuilder()
            .append(PotentialData, project="id")
            .order_by({PotentialData: {"id": "desc"}})
        )
        before = newest.first(flat=True) or 0
        node = get_potential(str(self.path.absolute()), self.kind, self.level or self.path.name)
        assert node.pk is not None
        if node.pk > before and self.kind in CARRIES_CODE:
            node.base.extras.set(IMPORTED, True)
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


def _settle_group(pk: int | None, known: set[str]) -> None:
    """AiiDA puts all nodes of an archive into the group of its import, those it had as well."""
    group = Group.collection.get(id=pk)
    assert isinstance(group, ImportGroup)
    group.remove_nodes(list(_nodes(known)))


def _mark(uuids: set[str], extras: dict[str, dict[str, Any]], trusted: bool) -> None:
    """Say of new nodes whence they are; untrusted ones are never taken for results made here."""
    for node in _nodes(uuids):
        if trusted:
            node.base.caching.rehash()
            continue
        own = {k: v for k, v in extras.get(node.uuid, {}).items() if not k.startswith(_PRIVATE)}
        if own:
            node.base.extras.set_many(own)
        if not isinstance(node, ProcessNode):  # whose hash would make it a result to use again
            node.base.caching.rehash()
        if isinstance(node, PotentialData | RemoteData):
            node.base.extras.set(IMPORTED, True)


def _relabel(uuids: set[str]) -> None:
    """No imported computer takes a label that `setup` or a launch script would look for."""
    for uuid in sorted(uuids):
        computer = Computer.collection.get(uuid=uuid)
        if "(Imported #" not in computer.label:
            base, number = computer.label, 0
            while _taken(f"{base} (Imported #{number})"):
                number += 1
            computer.label = f"{base} (Imported #{number})"


def _taken(label: str) -> bool:
    return QueryBuilder().append(Computer, filters={"label": label}).count() > 0


def _nodes(uuids: Iterable[str]) -> Iterable[Node]:
    for chunk in chunks(uuids):
        yield from QueryBuilder().append(Node, filters={"uuid": {"in": chunk}}).all(flat=True)


def _potentials(uuids: Iterable[str]) -> list[PotentialData]:
    found: list[Any] = [n for n in _nodes(uuids) if isinstance(n, PotentialData)]
    return [node for node in found if node.kind in CARRIES_CODE]


def _untrusted(potentials: Sequence[PotentialData]) -> list[str]:
    barred = [node.uuid for node in potentials if not may_run(node)]
    if not barred:
        return []
    return [
        f"{len(barred)} potentials carry code, which does not run before you say so: "
        f"aiida-nanoclusters trust {' '.join(barred)}"
    ]
