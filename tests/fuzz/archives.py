"""Rows of a published archive, changed at random, through check, import, find and explain."""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from click.testing import CliRunner
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from tests.cli.attacks import PUBLISHED
from tests.cli.small_archive import cut_copper, with_database
from tests.fuzz.guard import Findings, guarded

#: Seconds that one archive may take, with all commands.
LIMIT = 60.0
TABLES = {
    "db_dbnode": (
        *("uuid", "node_type", "process_type", "label", "description", "ctime", "mtime"),
        *("attributes", "extras", "repository_metadata", "dbcomputer_id", "user_id", "id"),
    ),
    "db_dblink": ("input_id", "output_id", "label", "type"),
    "db_dbcomputer": ("uuid", "label", "hostname", "metadata", "transport_type", "scheduler_type"),
    "db_dbuser": ("email", "first_name", "id"),
    "db_dblog": ("uuid", "time", "loggername", "levelname", "dbnode_id", "message", "metadata"),
}
_JSON = ("attributes", "extras", "repository_metadata", "metadata")
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        [
            *("", "..", "../../x", "/tmp/x", "a/b", "CALL", "create", "return", "input_calc"),
            *("data.core.int.Int.", "data.core.dict.Dict.", "process.workflow.workchain.X."),
            *("data.nanoclusters.frames.FramesData.", "data.core.array.ArrayData.", "os.system"),
            *("data.nanoclusters.potential.PotentialData.", "data.core.jsonable.JsonableData."),
            *("aiida.calculations:nanoclusters.lammps", "aiida.calculations:core.shell", "this.s"),
            *("2026-11-21 16:29:35", "0000-00-00", "\x1b[2J", "\ud800", "a\0b", "x" * 300),
            "3f3f3f3f-1111-4222-8333-444444444444",
        ]
    ),
)
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([-1, 0, 1, 10**18, 2**63, 2**64, -(2**70)]),
    st.floats(),
    TEXTS,
)
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
)
#: A value within the attributes, extras or files of a node: its row, the place, the new value.
INSIDE = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.just("inside"), VALUES, TEXTS)
#: What is done to one place: another value, its removal, or a value under a new name.
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(sorted(TABLES)),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.sampled_from(["cell", "inside", "inside", "inside", "swap", "remove", "new link"]),
        VALUES,
        TEXTS,
    ),
    min_size=1,
    max_size=3,
)


def apply(connection: sqlite3.Connection, change: tuple) -> None:
    """Change one row; what SQLite itself refuses, such as a second node of a UUID, is left."""
    table, row, place, kind, value, text = change
    ids = [i for (i,) in connection.execute(f"SELECT id FROM {table} ORDER BY id")]
    if not ids:
        return
    pk = ids[row % len(ids)]
    with contextlib.suppress(sqlite3.IntegrityError, OverflowError):
        if kind == "remove":
            connection.execute(f"DELETE FROM {table} WHERE id = ?", [pk])
        elif kind == "new link":
            nodes = [i for (i,) in connection.execute("SELECT id FROM db_dbnode ORDER BY id")]
            types = ("create", "return", "input_calc", "input_work", "call_calc", "call_work")
            cells = [nodes[row % len(nodes)], nodes[place % len(nodes)], text, types[row % 6]]
            connection.execute(
                "INSERT INTO db_dblink (input_id, output_id, label, type) VALUES (?, ?, ?, ?)",
                [*cells[:2], _cell(cells[2]), cells[3]],
            )
        elif kind == "swap":
            other = ids[place % len(ids)]
            column = TABLES[table][place % len(TABLES[table])]
            connection.execute(
                f"UPDATE {table} SET {column} = (SELECT {column} FROM {table} WHERE id = ?) "
                "WHERE id = ?",
                [other, pk],
            )
        elif kind == "inside" and (columns := [c for c in TABLES[table] if c in _JSON]):
            column = columns[place % len(columns)]
            query = f"SELECT {column} FROM {table} WHERE id = ?"
            (held,) = connection.execute(query, [pk]).fetchone()
            with contextlib.suppress(ValueError, RecursionError, TypeError):
                held = json.dumps(_inside(json.loads(held), place, value, text))
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", [held, pk])
        else:
            column = TABLES[table][place % len(TABLES[table])]
            connection.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", [_cell(value), pk])


def _cell(value: object) -> object:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-8", "surrogatepass")
        return value
    return value if value is None or isinstance(value, (int, float)) else json.dumps(value)


def _inside(content, place: int, value, text: str):
    """The content with a value changed, or a new one, at a random place of lists and tables."""
    if isinstance(content, dict) and content and place % 3:
        key = sorted(content)[place % len(content)]
        return {**content, key: _inside(content[key], place // 3, value, text)}
    if isinstance(content, list) and content and place % 3:
        at = place % len(content)
        return [*content[:at], _inside(content[at], place // 3, value, text), *content[at + 1 :]]
    if isinstance(content, dict) and place % 2:
        return {**content, text: value}
    return value


def fuzz_archives(
    count: int,
    seed: int,
    folder: Path,
    *,
    reset: Callable[[], None],
    roots: list[Path],
    check_every: int = 0,
    every: int = 0,
) -> Findings:
    """Send `count` archives through the commands of a newcomer, in a profile that is made empty.

    Parameters
    ----------
    count, seed
        Number of archives, and the seed of what is changed in them.
    folder
        Where they lie meanwhile.
    reset
        Empties the profile; called after each archive that was taken.
    roots
        Folders that an import may write into.
    check_every
        Every such archive that was taken is sent through `reproduce --check-only` as well.
    every
        Examples after which the numbers so far are printed; 0: never.
    """
    from aiida_nanoclusters.cli.imports.command import import_command

    base = cut_copper(folder / "base.aiida")
    found, done = Findings(every=every), [0]

    @_examples(count, seed)
    @given(CHANGES)
    def one(changes: list[tuple]) -> None:
        done[0] += 1

        def change(connection: sqlite3.Connection) -> None:
            for single in changes:
                apply(connection, single)

        archive = with_database(base, change)

        def run() -> str:
            with guarded(LIMIT, roots):
                code = run_command(import_command, str(archive))
                if code == 0:
                    _look_around(check_every and done[0] % check_every == 0)
                return "taken" if code == 0 else "refused"

        found.record("archive", changes, run, ())
        if found.outcomes["archive", "refused"] < done[0]:
            reset()

    one()
    return found


def fuzz_nodes(
    count: int,
    seed: int,
    folder: Path,
    *,
    reset: Callable[[], None],
    roots: list[Path],
    whole: bool = False,
    every: int = 0,
) -> Findings:
    """Put nodes into the profile that no check has seen, as AiiDA's own import does.

    Parameters
    ----------
    count, seed, folder, reset, roots, every
        As for :func:`fuzz_archives`.
    whole
        The whole published study instead of a small part of it: its report is written, too.
    """
    import nequip.data.dataset  # noqa: F401  loads libraries, which none of the commands may
    from aiida.tools.archive import import_archive

    base = shutil.copy(PUBLISHED, folder) if whole else cut_copper(folder / "base.aiida")
    found = Findings(every=every)

    @_examples(count, seed)
    @given(st.lists(INSIDE, min_size=5, max_size=40))
    def one(changes: list[tuple]) -> None:
        def change(connection: sqlite3.Connection) -> None:
            for row, place, *rest in changes:
                # attributes and extras, without the third, the files, which AiiDA itself looks at
                apply(connection, ("db_dbnode", row, place - place % 3 + place % 2, *rest))

        archive = with_database(Path(base), change)

        def run() -> str:
            reset()
            try:
                import_archive(archive, create_group=False)
            except Exception as error:  # whatever AiiDA says of it
                return f"refused by AiiDA: {type(error).__name__}"
            with guarded(LIMIT, roots):
                _look_around(False)
                _write_out(folder)
            return "taken"

        found.record("nodes", changes, run, ())

    one()
    return found


def _examples(count: int, seed: int) -> Callable:
    def decorated(function: Callable) -> Callable:
        limits = settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        return seeded(seed)(limits(function))

    return decorated


def run_command(function: Callable, *arguments: str) -> int:
    result = CliRunner().invoke(function, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code


def _look_around(checked: bool) -> None:
    """What a newcomer does with what was imported: all of it must end without a traceback."""
    from aiida.orm import Node, ProcessNode, QueryBuilder

    from aiida_nanoclusters.cli.find.explain import explain
    from aiida_nanoclusters.cli.find.find import find
    from aiida_nanoclusters.cli.reproduce.command import reproduce

    for arguments in (
        ("datasets", "--element", "Cu", "--sizes", "1-1000"),
        ("datasets", "--json"),
        ("potentials", "--element", "Cu"),
        ("structures", "Cu13-60"),
        ("crossovers",),
    ):
        run_command(find, *arguments)
    uuids = QueryBuilder().append(Node, project="uuid").all(flat=True)
    for uuid in sorted(uuids)[::14]:
        run_command(explain, uuid, "--json")
        run_command(find, "dependents", uuid, "--all")
    processes = QueryBuilder().append(ProcessNode, project="uuid").all(flat=True)
    for uuid in sorted(processes) if checked else ():
        run_command(reproduce, uuid, "--check-only")


def _write_out(folder: Path) -> None:
    """Progress, report and publication of the processes that nothing called, and of some nodes."""
    from aiida.orm import Node, ProcessNode, QueryBuilder

    from aiida_nanoclusters.cli.progress.status import status
    from aiida_nanoclusters.cli.publish.command import publish
    from aiida_nanoclusters.cli.report.command import report

    called = QueryBuilder().append(ProcessNode, tag="caller")
    called = called.append(ProcessNode, with_incoming="caller", project="uuid").all(flat=True)
    uuids = QueryBuilder().append(ProcessNode, project="uuid").all(flat=True)
    for uuid in sorted(set(uuids) - set(called)):
        run_command(status, uuid)
        run_command(report, uuid, "--out", str(folder / "report.html"))
        shutil.rmtree(folder / "out", ignore_errors=True)
        run_command(publish, uuid, "--out", str(folder / "out"), "--small")
    nodes = sorted(QueryBuilder().append(Node, project="uuid").all(flat=True))
    for anonymous in ((), ("--anonymous",)):
        shutil.rmtree(folder / "out", ignore_errors=True)
        run_command(publish, *nodes[::5], "--out", str(folder / "out"), *anonymous)
