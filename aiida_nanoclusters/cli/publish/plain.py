"""The plain formats of a publication: files that anyone can use without AiiDA."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiida.orm import ArrayData, Data, Dict

from aiida_nanoclusters.cli.publish.gather import Gathered, dict_tables
from aiida_nanoclusters.cli.report.training import collect_training
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.extxyz import write_extxyz
from aiida_nanoclusters.formats.nequip_lmdb import write_lmdb
from aiida_nanoclusters.formats.publication import File
from aiida_nanoclusters.formats.tables import table_of_rows, tables_of_arrays, write_csv

#: Ending of the file of each kind of potential.
_ENDINGS = {
    "allegro": "nequip.zip",
    "eam/alloy": "eam.alloy",
    "eam/fs": "eam.fs",
    "eam": "eam",
    "lj/cut": "lj.json",
}
_ERROR_UNITS = {
    "energy_rmse": "meV/atom",
    "energy_mae": "meV/atom",
    "energy_mean": "meV/atom",
    "forces_rmse": "meV/Å",
    "forces_mae": "meV/Å",
}


def write_plain(found: Gathered, folder: Path, *, lmdb: bool = True) -> Iterator[File]:
    """Write frames (as LMDB, too, if asked), potentials and tables below `folder`; yield each."""
    for name, frames in found.frames.items():
        yield from _write_frames(name, frames, folder, lmdb)
    for name, potential in found.potentials.items():
        yield _write_potential(name, potential, folder)
    for name, result in found.results.items():
        yield from _write_result(name, result, folder)


def _write_frames(name: str, node: FramesData, folder: Path, lmdb: bool) -> Iterator[File]:
    frames = node.frames
    part = "frames" if node.is_labelled else "structures"
    (folder / part).mkdir(exist_ok=True)
    what = f"{len(node)} frames of {', '.join(node.elements)}, {_sizes(node.sizes)} atoms"
    n_labelled = node.base.attributes.get("n_labelled")
    if n_labelled:
        what += f", {n_labelled} labelled by {node.level_of_theory}"
    path = f"{part}/{name}.extxyz"
    write_extxyz(frames, folder / path)
    yield File(path, what, node.uuid)
    if node.is_labelled and lmdb:
        path = f"{part}/{name}.lmdb"
        write_lmdb(frames, folder / path)
        yield File(path, f"the same, for nequip: {what}", node.uuid)


def _sizes(sizes: list[int]) -> str:
    return str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"


def _write_potential(name: str, node: PotentialData, folder: Path) -> File:
    (folder / "potentials").mkdir(exist_ok=True)
    path = f"potentials/{name.removeprefix('potentials.')}.{_ENDINGS[node.kind]}"
    filename = node.interaction.filename
    if filename is None:
        _write_json({"kind": node.kind, **node.base.attributes.all}, folder / path)
    else:
        with node.base.repository.open(filename, "rb") as handle:
            (folder / path).write_bytes(handle.read())
    what = f"{node.kind}, {', '.join(node.elements)}, cutoff {node.cutoff:g} Å"
    return File(path, f"{what}, {node.level_of_theory}", node.uuid)


def _write_result(name: str, node: Data, folder: Path) -> Iterator[File]:
    (folder / "tables").mkdir(exist_ok=True)
    if isinstance(node, Dict):
        content = node.get_dict()
        path = f"tables/{name}.json"
        _write_json(content, folder / path)
        yield File(path, f"{name}, as it is", node.uuid)
        tables = {
            label: table_of_rows(rows, units)
            for label, (rows, units) in dict_tables(name, content).items()
            if rows
        }
        errors = collect_training({"errors": node}) if "sets" in content else None
        if errors is not None:
            rows = [{**vars(row)} for row in errors.errors]
            tables[name] = table_of_rows(rows, _ERROR_UNITS)
    else:
        assert isinstance(node, ArrayData)
        tables = _array_tables(name, node)
    for label, table in tables.items():
        path = f"tables/{label}.csv"
        write_csv(table, folder / path)
        yield File(path, f"columns: {'; '.join(table)}", node.uuid)


def _array_tables(name: str, node: ArrayData) -> dict[str, Any]:
    arrays = {key: node.get_array(key) for key in node.get_arraynames()}
    units = node.base.attributes.get("units", None)
    if units is not None and len({values.shape for values in arrays.values()}) > 1:
        return {}  # as parity has them: the archive holds them
    motifs = node.base.attributes.get("motifs", [])
    tables = tables_of_arrays(arrays, motifs, units)
    if len(tables) == 1:
        return {name: next(iter(tables.values()))}
    return {f"{name}.{label}": table for label, table in tables.items()}


def _write_json(content: Any, path: Path) -> None:
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    path.write_text(f"{text}\n", encoding="utf-8")
