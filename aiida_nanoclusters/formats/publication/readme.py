"""The two READMEs of a published folder: Markdown for people, RO-Crate 1.1 for machines."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from aiida_nanoclusters.formats.output_files import write_text
from aiida_nanoclusters.formats.plain_text import one_line, printable
from aiida_nanoclusters.formats.publication.checksums import SUMS_FILE, sha256

README_FILE, CRATE_FILE, ARCHIVE_FILE = "README.md", "ro-crate-metadata.json", "archive.aiida"
UNITS = {
    "lengths": "Å",
    "energies": "eV, of the whole frame unless stated otherwise",
    "forces": "eV/Å",
    "stress": "eV/Å^3, with the sign convention of ASE",
    "charges": "e",
}
_MEDIA_TYPES = {
    ".aiida": "application/zip",
    ".zip": "application/zip",
    ".extxyz": "chemical/x-xyz",
    ".csv": "text/csv",
    ".json": "application/json",
    ".md": "text/markdown",
}
#: Terms of schema.org younger than RO-Crate 1.1.
_TERMS = {name: f"https://schema.org/{name}" for name in ("creditText", "sha256")}
_SPDX = "https://spdx.org/licenses/"


@dataclass(frozen=True)
class File:
    """A file of the folder, its content, and the UUID of the node it was written from."""

    path: str
    what: str
    node: str = ""


@dataclass(frozen=True)
class Withheld:
    """A file (or a text of a node) that was left out of the archive, or not looked into."""

    node: str
    path: str
    reason: str


@dataclass(frozen=True)
class Publication:
    """What is published, by whom, and under which terms.

    ``roots`` names what was asked for by UUID; ``versions`` are pairs of program and version;
    ``closed`` are files in the archive that could not be looked into; ``counts`` are the numbers of
    nodes of each kind; ``named`` are the users and computers that the archive names, and
    ``anonymous`` says that pseudonyms stand in their place.
    """

    title: str
    authors: tuple[str, ...]
    license: str
    published: date
    roots: Mapping[str, str]
    citation: str = ""
    files: tuple[File, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    withheld: tuple[Withheld, ...] = ()
    closed: tuple[Withheld, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    anonymous: bool = False
    named: tuple[str, ...] = ()


def license_url(text: str) -> str:
    """Return the address of a licence, given as an SPDX identifier or as an address.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if re.fullmatch(r"https?://\S+", text):
        return text
    try:
        name = str(canonicalize_license_expression(text))
    except InvalidLicenseExpression as error:
        raise ValueError(
            f"unknown licence `{text}`: give an SPDX identifier such as CC-BY-4.0, or its address"
        ) from error
    if " " in name or name.startswith("LicenseRef-"):
        raise ValueError(f"`{text}` is not a single licence: give one, such as CC-BY-4.0")
    return f"{_SPDX}{name}"


def write_readmes(publication: Publication, folder: Path) -> None:
    """Write both READMEs into a folder that holds everything else but the checksums."""
    write_text(folder / README_FILE, render_readme(publication))
    crate = render_crate(publication, folder)
    text = json.dumps(crate, indent=1, ensure_ascii=False) + "\n"
    write_text(folder / CRATE_FILE, printable(text))


def render_readme(publication: Publication) -> str:
    """Return the README for people, as Markdown."""
    p = publication
    lines = [
        f"# {one_line(p.title)}",
        "",
        f"{', '.join(p.authors)}, {p.published.isoformat()}.",
        "",
    ]
    lines += [
        f"Licence: {license_url(p.license)}. Potential files of others keep their own licence.",
        "",
    ]
    if p.citation:
        lines += ["Please cite:", "", f"> {one_line(p.citation)}", ""]
    lines += ["## What was published", ""]
    lines += [f"- {one_line(what)}, `{uuid}`" for uuid, what in p.roots.items()]
    lines += ["", "## Files", ""]
    rows = [(f"`{f.path}`", f.what, f"`{f.node}`" if f.node else "") for f in p.files]
    lines += _table(("file", "what", "node"), rows)
    lines += ["", "Units:", "", *(f"- {name}: {unit}" for name, unit in UNITS.items())]
    lines += ["", "## How to use it", "", *_usage(p), "", "## What the archive holds", ""]
    lines += [f"- {name}: {count}" for name, count in p.counts.items()]
    lines += [f"- {text}" for text in p.named]
    lines += ["", _ANONYMOUS] if p.anonymous else []
    lines += ["", "## What was left out", "", *_left_out(p), "", "## Versions", ""]
    lines += _table(("program", "version"), p.versions)
    return printable("\n".join([*lines, ""]))


def _usage(publication: Publication) -> list[str]:
    lines = [
        f"Check that the files are complete and unchanged: `sha256sum -c {SUMS_FILE}`.",
        "",
        "With AiiDA, every node with its provenance, under the same UUIDs:",
        "",
        "```sh",
        "aiida-nanoclusters import .        # checks all files first; runs nothing",
        f"verdi archive import {ARCHIVE_FILE}   # the same without aiida-nanoclusters",
        "```",
    ]
    for ending, text in (
        (".extxyz", 'Frames, by ASE: `ase.io.read("FILE.extxyz", ":")`.'),
        (".lmdb", _LMDB),
        (".nequip.zip", _PACKAGE),
    ):
        if any(f.path.endswith(ending) for f in publication.files):
            lines += ["", text]
    return lines


_ANONYMOUS = (
    "Users, computers, executables and absolute paths have pseudonyms, the same ones everywhere: "
    "scripts, accounts and variables of jobs are empty. Where that changed a node, it has the UUID "
    "of the original and another content: import it into a profile that does not have the original."
)
_LMDB = (
    "Labelled frames, by nequip 0.19: `nequip.data.dataset.NequIPLMDBDataset(file_path=FILE)`. The "
    "LMDB of nequip holds pickled Python objects, which can run code when they are read: if you do "
    "not trust its author, use the extended XYZ of the same name."
)
_PACKAGE = (
    "Packaged potentials, by nequip: `nequip-compile FILE.nequip.zip ...`. A package carries "
    "Python code that runs when it is loaded: use it only if you trust its author."
)


def _left_out(publication: Publication) -> list[str]:
    heads = ("node", "file", "reason")
    lines = ["Nothing: the data hold no licensed file."]
    if publication.withheld:
        lines = [
            "The files below. Their nodes are in the archive with all other files, so that no link "
            "of the provenance graph is missing.",
            "",
        ]
        lines += _table(heads, [_left(file) for file in publication.withheld])
    if publication.closed:
        lines += [
            "",
            "These files are in the archive and could not be looked into for licensed text:",
            "",
        ]
        lines += _table(heads, [_left(file) for file in publication.closed])
    return lines


def _left(file: Withheld) -> tuple[str, str, str]:
    return f"`{file.node}`", f"`{file.path}`", file.reason


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [[_cell(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *cells)]


def _cell(text: str) -> str:
    """Return a text as a cell of Markdown: in one line, no HTML, no border of a cell."""
    return html.escape(one_line(text), quote=False).replace("|", "\\|")


def render_crate(publication: Publication, folder: Path) -> dict[str, Any]:
    """Return the RO-Crate 1.1 of a folder (https://w3id.org/ro/crate/1.1)."""
    p = publication
    people = [{"@id": f"#author-{k}", "@type": "Person", "name": n} for k, n in _count(p.authors)]
    programs: list[dict[str, Any]] = [
        {"@id": f"#program-{k}", "@type": "SoftwareApplication", "name": name, "version": version}
        for k, (name, version) in _count(p.versions)
    ]
    files = [_file(file, folder) for file in (*p.files, File(README_FILE, "README for people"))]
    url = license_url(p.license)
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": p.title,
        "description": "; ".join(f"{what} ({uuid})" for uuid, what in p.roots.items()),
        "datePublished": p.published.isoformat(),
        "license": {"@id": url},
        "author": [{"@id": person["@id"]} for person in people],
        "identifier": [f"urn:uuid:{uuid}" for uuid in p.roots],
        "hasPart": [{"@id": file["@id"]} for file in files],
        "mentions": [{"@id": program["@id"]} for program in programs],
    }
    if p.citation:
        root["creditText"] = p.citation
    descriptor = {
        "@id": CRATE_FILE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    terms = {"@id": url, "@type": "CreativeWork", "name": p.license}
    return {
        "@context": ["https://w3id.org/ro/crate/1.1/context", _TERMS],
        "@graph": [descriptor, root, terms, *people, *files, *programs],
    }


def _count(items: Sequence[Any]) -> Any:
    return enumerate(items, start=1)


def _file(file: File, folder: Path) -> dict[str, Any]:
    path = folder / file.path
    entity = {
        "@id": file.path,
        "@type": "File",
        "name": file.path,
        "description": file.what,
        "contentSize": str(path.stat().st_size),
        "encodingFormat": _MEDIA_TYPES.get(path.suffix, "application/octet-stream"),
        "sha256": sha256(path),
    }
    if file.node:
        entity["identifier"] = f"urn:uuid:{file.node}"
    return entity
