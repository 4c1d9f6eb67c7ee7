"""aiida-nanoclusters publish: results as a folder that others can read, with or without AiiDA."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aiida_nanoclusters.cli.terminal import (
    Fixable,
    echo,
    make_console,
    open_profile,
    profile_option,
)
from aiida_nanoclusters.formats.publication.checksums import write_checksums
from aiida_nanoclusters.formats.publication.readme import (
    ARCHIVE_FILE,
    File,
    Publication,
    license_url,
    write_readmes,
)

if TYPE_CHECKING:
    from aiida.orm import Node
    from rich.console import Console

    from aiida_nanoclusters.cli.publish.anonymous import Anonymity

#: Withheld files that are shown one by one on the terminal; the README lists all.
_SHOWN = 10


@click.command()
@click.argument("uuids", nargs=-1, required=True, metavar="UUID...")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder to create; it must not exist, or be empty.",
)
@click.option("--title", help="Title of the data set. Default: made from what is published.")
@click.option(
    "--author",
    "authors",
    multiple=True,
    help="Name of an author; repeatable, in order. Default: the user of the AiiDA profile; where "
    "it has no name, a terminal is asked.",
)
@click.option(
    "--license",
    "license_name",
    default="CC-BY-4.0",
    show_default=True,
    help="Licence of the data: SPDX identifier or address.",
)
@click.option("--citation", default="", help="What to cite, in one line. Default: none.")
@click.option(
    "--small",
    is_flag=True,
    help="Leave out what can be recomputed: compiled models, and frames as LMDB.",
)
@click.option(
    "--anonymous",
    is_flag=True,
    help="Put pseudonyms in the place of users, e-mail addresses, computers, executables and "
    "absolute paths. Default: they go out as they are. Without --author there is none then.",
)
@profile_option
def publish(
    uuids: tuple[str, ...],
    out: Path,
    title: str | None,
    authors: tuple[str, ...],
    license_name: str,
    citation: str,
    small: bool,
    anonymous: bool,
    profile_name: str | None,
) -> None:
    """Write results as a folder for Materials Cloud or Zenodo.

    UUID (or pk) is that of any finished process or any data: a study, a crossover, a set of
    frames. The folder holds an AiiDA archive with the complete provenance and, in plain formats,
    frames as extended XYZ and LMDB, tables as CSV, potential files, a README (Markdown and
    RO-Crate) and checksums. Licensed text (POTCARs) is left out and listed, in whatever file or
    attribute it is; so are packed files that cannot be looked into.

    `aiida-nanoclusters import DIR` reads the folder.
    """
    open_profile(profile_name)
    from aiida.orm import Node

    from aiida_nanoclusters.cli.launch.options import get_node

    console = make_console()
    publication = publish_nodes(
        [get_node(uuid, Node) for uuid in dict.fromkeys(uuids)],
        out,
        title=title,
        authors=authors or (("anonymous",) if anonymous else _own_name() or _asked_name()),
        license_name=license_name,
        citation=citation,
        small=small,
        anonymous=anonymous,
    )
    _print(console, publication, out)


def publish_nodes(
    nodes: Sequence[Node],
    out: Path,
    *,
    authors: Sequence[str],
    license_name: str = "CC-BY-4.0",
    title: str | None = None,
    citation: str = "",
    small: bool = False,
    anonymous: bool = False,
) -> Publication:
    """Publish nodes as a folder and return what was written.

    The folder is written beside `out` and takes its name only when it is complete.

    Raises
    ------
    Fixable
        If a process still runs, `out` is not empty, or the author or the licence is not valid.
    """
    from aiida_nanoclusters.cli.publish import members
    from aiida_nanoclusters.cli.publish.licensed import without_licensed

    _check(nodes, out, authors, license_name)
    found = members.gather(nodes)
    _check_ended(found.pks)
    names = _anonymity() if anonymous else None
    roots = {node.uuid: without_licensed(members.describe(node)) for node in nodes}
    if names is not None:
        roots = {uuid: names.pseudonyms.text(what) for uuid, what in roots.items()}
    publication = Publication(
        title=title or f"Data of {', '.join(roots.values())}",
        authors=tuple(authors),
        license=license_name,
        published=date.today(),
        roots=roots,
        citation=citation,
        versions=members.versions(found.pks),
        counts=members.count_nodes(found.pks),
        named=() if anonymous else members.whom_it_names(found.pks),
        anonymous=anonymous,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{out.name}-incomplete-", dir=out.parent))
    try:
        publication = _write(publication, found, partial, small, names)
        partial.chmod(0o777 & ~_umask())
        partial.replace(out)
    except OSError as error:
        raise Fixable(f"cannot write {out}: {error.strerror}; choose another --out") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return publication


def _anonymity() -> Anonymity:
    from aiida_nanoclusters.cli.publish.anonymous import Anonymity

    return Anonymity()


def _write(
    publication: Publication, found: Any, folder: Path, small: bool, names: Anonymity | None
) -> Publication:
    from aiida_nanoclusters.cli.aiida_log import quiet_archives
    from aiida_nanoclusters.cli.publish.archive import Changes, find_compiled, write_archive
    from aiida_nanoclusters.cli.publish.licensed import clean_row, find_licensed
    from aiida_nanoclusters.cli.publish.plain import Copy, write_plain

    licensed = find_licensed(found.pks)
    left_out = licensed.nodes
    withheld = licensed.withheld | (find_compiled(found.pks) if small else {})
    contents: dict[str, bytes] = {}
    if names is not None:
        named, contents = names.files(found.pks, set(withheld.values()))
        withheld |= named
        left_out |= {file.node for file in named}
    rows = (clean_row,) if names is None else (clean_row, names.row)
    with quiet_archives():
        write_archive(found.roots, folder / ARCHIVE_FILE, Changes(withheld, contents, rows))
    what = f"AiiDA archive of {len(found.pks)} nodes: everything, with its provenance"
    copy = Copy(left_out, contents, None if names is None else names.pseudonyms)
    plain = write_plain(found, folder, lmdb=not small, copy=copy)
    publication = replace(
        publication,
        files=(File(ARCHIVE_FILE, what), *plain),
        withheld=(*withheld, *licensed.texts),
        closed=tuple(file for file in licensed.closed if file not in withheld),
    )
    write_readmes(publication, folder)
    write_checksums(folder)
    return publication


def _check(nodes: Sequence[Node], out: Path, authors: Sequence[str], license_name: str) -> None:
    if not nodes:
        raise Fixable("nothing to publish: give at least one UUID")
    if not authors or not all(name.strip() for name in authors):
        raise Fixable("no author: give --author 'Given Family', once for each author")
    try:
        license_url(license_name)
    except ValueError as error:
        raise Fixable(str(error)) from error
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise Fixable(f"{out} exists and is not an empty folder: choose another --out")
    try:
        str(out.absolute()).encode()
    except UnicodeEncodeError as error:  # which the data sets of nequip cannot have as their path
        raise Fixable(f"{out} is not a path in UTF-8: choose another --out") from error


def _check_ended(pks: Iterable[int]) -> None:
    from aiida.orm import ProcessNode, QueryBuilder

    query = QueryBuilder().append(
        ProcessNode,
        filters={"or": [{"attributes": {"!has_key": "sealed"}}, {"attributes.sealed": False}]},
        project=["id", "uuid", "attributes.process_label"],
    )
    chosen = set(pks)
    running = [(uuid, label) for pk, uuid, label in query.iterall() if pk in chosen]
    if running:
        uuid, label = running[0]
        raise Fixable(
            f"{label} {uuid} has not finished: wait for it, or end it by "
            f"`verdi process kill {uuid}`, then publish"
        )


def _own_name() -> tuple[str, ...]:
    from aiida.orm import User

    user = User.collection.get_default()
    name = "" if user is None else f"{user.first_name} {user.last_name}".strip()
    return (name,) if name else ()


def _asked_name() -> tuple[str, ...]:
    """Ask for the authors on a terminal; none elsewhere, which is refused with the fix."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return ()
    echo("The AiiDA profile has no name of its user, and --author was not given.")
    given = str(click.prompt("Authors, with semicolons between (Given Family; ...)"))
    return tuple(name.strip() for name in given.split(";") if name.strip())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _print(console: Console, publication: Publication, out: Path) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("file", overflow="fold")
    table.add_column("kB", justify="right")
    table.add_column("what", overflow="fold")
    for file in publication.files:
        size = (out / file.path).stat().st_size
        table.add_row(escape(file.path), f"{size / 1000:.0f}", escape(file.what))
    console.print(table)
    if publication.withheld:
        console.print(f"[yellow]{len(publication.withheld)} files were left out[/yellow]")
        for left in publication.withheld[:_SHOWN]:
            line = f"  {left.path} of node {left.node}: {left.reason}"
            console.print(line, markup=False, soft_wrap=True)
        if len(publication.withheld) > _SHOWN:
            console.print(f"  and {len(publication.withheld) - _SHOWN} more: the README lists all")
        console.print("their nodes are in the archive with all their other files")
    if publication.closed:
        console.print(
            f"[yellow]{len(publication.closed)} packed files could not be looked into[/yellow]: "
            "the README lists them"
        )
    for text in publication.named:
        console.print(text, markup=False, soft_wrap=True)
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    line = f"{out}: {total / 1e6:.2f} MB; read README.md before you share it"
    console.print(line, markup=False)
