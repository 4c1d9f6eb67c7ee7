"""The plain formats of a publication: files that anyone can use without AiiDA."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiida.orm import ArrayData, Data, Dict

from aiida_nanoclusters.calculations.labels.predictions import level_of
from aiida_nanoclusters.cli.publish.archive import flat_files
from aiida_nanoclusters.cli.publish.members import Gathered
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.data.tables import named_tables, tables_of, tables_of_mapping
from aiida_nanoclusters.formats.extxyz import write_extxyz
from aiida_nanoclusters.formats.nequip.lmdb import write_lmdb
from aiida_nanoclusters.formats.output_files import inside, open_new
from aiida_nanoclusters.formats.plain_text import file_name, printable
from aiida_nanoclusters.formats.publication.csv_tables import write_csv
from aiida_nanoclusters.formats.publication.pseudonyms import Pseudonyms
from aiida_nanoclusters.formats.publication.readme import File
from aiida_nanoclusters.science.frames import Frames
from aiida_nanoclusters.science.labels.levels import is_prediction

#: Ending of the file of each kind of potential.
_ENDINGS = {
    "allegro": "nequip.zip",
    "calculator": "calculator.json",
    "eam/alloy": "eam.alloy",
    "eam/fs": "eam.fs",
    "eam": "eam",
    "lj/cut": "lj.json",
}


@dataclass(frozen=True)
class Copy:
    """How plain formats differ from the nodes they are written from.

    Attributes
    ----------
    left_out
        UUIDs of nodes of which something is left out: no plain format of them is written.
    contents
        New content of files, by the key of the former, as in the archive.
    pseudonyms
        For names, or None where they stay.
    """

    left_out: Collection[str] = ()
    contents: Mapping[str, bytes] = field(default_factory=dict)
    pseudonyms: Pseudonyms | None = None

    def value(self, value: Any) -> Any:
        """Return a value of JSON as it is written."""
        return value if self.pseudonyms is None else self.pseudonyms.value(value)

    def frames(self, node: FramesData) -> Frames:
        """Return frames as they are written."""
        return node.frames if self.pseudonyms is None else self.pseudonyms.frames(node.frames)


def write_plain(
    found: Gathered, folder: Path, *, lmdb: bool = True, copy: Copy | None = None
) -> Iterator[File]:
    """Write frames (as LMDB, too, if asked), potentials and tables below `folder`; yield each."""
    copy = copy or Copy()
    for name, frames in _kept(found.frames, copy):
        yield from _write_frames(name, frames, folder, lmdb, copy)
    for name, potential in _kept(found.potentials, copy):
        yield _write_potential(name, potential, folder, copy)
    for name, result in _kept(found.results, copy):
        yield from _write_result(name, result, folder, copy)


def _kept(nodes: Mapping[str, Any], copy: Copy) -> Iterator[tuple[str, Any]]:
    return ((name, node) for name, node in nodes.items() if node.uuid not in copy.left_out)


def _write_frames(
    name: str, node: FramesData, folder: Path, lmdb: bool, copy: Copy
) -> Iterator[File]:
    frames = copy.frames(node)
    part = "frames" if node.is_labelled else "structures"
    (folder / part).mkdir(exist_ok=True)
    what = f"{len(node)} frames of {', '.join(node.elements)}, {_sizes(node.sizes)} atoms"
    n_labelled = node.base.attributes.get("n_labelled")
    if n_labelled:
        level = level_of(node)
        what += f", {n_labelled} {'predicted' if is_prediction(level) else 'labelled'} by {level}"
    path = f"{part}/{name}.extxyz"
    write_extxyz(frames, inside(folder, path))
    yield File(path, what, node.uuid)
    if node.is_labelled and lmdb:
        path = f"{part}/{name}.lmdb"
        write_lmdb(frames, inside(folder, path))
        yield File(path, f"the same, for nequip: {what}", node.uuid)


def _sizes(sizes: list[int]) -> str:
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"


def _write_potential(name: str, node: PotentialData, folder: Path, copy: Copy) -> File:
    path = f"potentials/{name.removeprefix('potentials.')}.{_ENDINGS[node.kind]}"
    filename = node.interaction.filename
    if node.kind == "calculator":
        return _write_calculator(path, node, folder, copy)
    if filename is None:
        _write_json(copy.value({"kind": node.kind, **node.base.attributes.all}), folder, path)
    else:
        key = dict(flat_files(node.base.repository.metadata))[filename]
        with open_new(folder, path, "wb") as target:
            if key in copy.contents:
                target.write(copy.contents[key])
            else:
                with node.base.repository.open(filename, "rb") as handle:
                    shutil.copyfileobj(handle, target)
    what = f"{node.kind}, {', '.join(node.elements)}, cutoff {node.cutoff:g} Å"
    return File(path, f"{what}, {node.level_of_theory}", node.uuid)


def _write_calculator(path: str, node: PotentialData, folder: Path, copy: Copy) -> File:
    """Write how a calculator is made, with the hash of its weights, which the archive may hold.

    Its code and its weights are those of others: their files are not part of the plain formats.
    """
    described, weights = node.calculator_description, ""
    held = described["checkpoint"]
    if held is not None:
        digest = _hash_of_weights(node, held["file"])
        described["checkpoint"] = {"argument": held["argument"], "sha256": digest}
        weights = f", weights with SHA-256 {digest[:16]}..."
    facts = {
        "kind": "calculator",
        "elements": node.elements,
        "level_of_theory": node.level_of_theory,
        "atom_energies_eV": node.atom_energies,
        "uuid": node.uuid,
    }
    _write_json(copy.value({**described, **facts}), folder, path)
    what = f"ASE calculator {described['calculator']}{weights}, {', '.join(node.elements)}"
    return File(path, f"{what}, {node.level_of_theory}", node.uuid)


def _hash_of_weights(node: PotentialData, name: str) -> str:
    """Return the SHA-256 of a checkpoint; where the file is left out, what its name has of it."""
    if name not in node.base.repository.list_object_names():
        return name.removeprefix("checkpoint-").partition(".")[0]
    digest = hashlib.sha256()
    with node.base.repository.open(name, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _write_result(name: str, node: Data, folder: Path, copy: Copy) -> Iterator[File]:
    (folder / "tables").mkdir(exist_ok=True)
    if isinstance(node, Dict):
        content = copy.value(node.get_dict())
        path = f"tables/{name}.json"
        _write_json(content, folder, path)
        yield File(path, f"{name}, as it is", node.uuid)
        tables = tables_of_mapping(content)
    else:
        assert isinstance(node, ArrayData)
        tables = tables_of(node)
    for label, table in named_tables(name, tables).items():
        path = f"tables/{file_name(label)}.csv"
        write_csv(table.headed, inside(folder, path))
        yield File(path, f"columns: {'; '.join(table.headed)}", node.uuid)


def _write_json(content: Any, folder: Path, path: str) -> None:
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    with open_new(folder, path) as handle:
        handle.write(f"{printable(text)}\n")
