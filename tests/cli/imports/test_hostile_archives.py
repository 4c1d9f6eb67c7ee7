"""Archives whose rows are not what AiiDA writes: refused before anything of them is stored."""

import json
import sqlite3
from pathlib import Path

import pytest
from aiida.orm import (
    Comment,
    Computer,
    Dict,
    Group,
    ImportGroup,
    Int,
    Node,
    QueryBuilder,
    User,
    load_node,
)
from aiida.tools.archive import create_archive, import_archive

from aiida_nanoclusters.cli.imports.settling import PENDING
from aiida_nanoclusters.data.trust import is_seal, may_run
from tests.cli.published import run, run_import
from tests.cli.small_archive import cut_copper, rewrite, uuid_of, with_database, with_sql

FRAMES = "node_type LIKE 'data.nanoclusters.frames.%'"
POTENTIAL = "node_type LIKE 'data.nanoclusters.potential.%'"
ARRAY = "node_type LIKE 'data.core.array.%'"
JOB = "node_type LIKE '%.CalcJobNode.'"
INT = "node_type LIKE '%.Int.'"
ONE = "id = (SELECT min(id) FROM db_dbnode WHERE {})"
DEEP = '{"a":' * 3000 + "1" + "}" * 3000


def set_one(where: str, column: str, value: str) -> str:
    """Statement that changes a column of the first node that a condition holds for."""
    return f"UPDATE db_dbnode SET {column} = {value} WHERE {ONE.format(where)}"


def attribute(where: str, name: str, value: str) -> str:
    changed = f"json_set(attributes, '$.\"{name}\"', json('{value}'))"
    return set_one(where, "attributes", changed)


def file_named(name: str) -> str:
    key = "(SELECT json_extract(repository_metadata, '$.o.\"frames.npz\".k'))"
    metadata = f"json_object('o', json_object('{name}', json_object('k', {key})))"
    return set_one(FRAMES, "repository_metadata", metadata)


ROWS = [
    # cells of another type, or missing
    (set_one(INT, "attributes", "'null'"), "is no table of names and values"),
    (set_one(INT, "attributes", "'[1, 2]'"), "is no table of names and values"),
    (set_one(INT, "attributes", "NULL"), "`attributes`: is no JSON"),
    (set_one(INT, "attributes", "'{\"value\": NaN}'"), "`attributes`: holds NaN"),
    (set_one(INT, "attributes", "'{\"value\": 1e999}'"), "holds a number that is not finite"),
    (set_one(INT, "attributes", f"'{DEEP}'"), "`attributes`: is nested too deeply"),
    (set_one(INT, "extras", "'\"x\"'"), "`extras`: is no table of names and values"),
    (set_one(INT, "extras", '\'{"a": "\\ud800"}\''), "holds characters that are none"),
    (set_one(INT, "extras", "'{\"a\\u0000\": 1}'"), "holds characters that are none"),
    (set_one(INT, "extras", "X'80'"), "`extras`: is no JSON"),
    (set_one(INT, "label", "CAST(X'61ff62' AS TEXT)"), "is no archive AiiDA can read"),
    (set_one(INT, "label", "printf('%.*c', 300, 'x')"), "at most 255 characters"),
    (set_one(INT, "label", "X'4243'"), "`label`: Input should be a valid string"),
    (set_one(INT, "uuid", "'../../evil'"), "is no UUID"),
    (set_one(INT, "uuid", "upper(uuid)"), "is no UUID"),
    (set_one(INT, "ctime", "'next week'"), "`ctime`: Invalid isoformat"),
    (set_one(INT, "mtime", "'9999-12-31 00:00:00'"), "is no time at which a node was stored"),
    (set_one(INT, "node_type", "'data.core.int.Int'"), "is no type of a node"),
    (set_one(INT, "node_type", "'data.core/../x.'"), "is no type of a node"),
    (set_one(INT, "process_type", "'this.s'"), "is data with the type of a process"),
    (set_one(JOB, "process_type", "'os;system'"), "is no type of a process"),
    (set_one(INT, "user_id", "77"), "`user_id` refers to a row that is missing"),
    (set_one(INT, "dbcomputer_id", "77"), "`dbcomputer_id` refers to a row that is missing"),
    ("UPDATE db_dbcomputer SET metadata = '[]'", "is no table of names and values"),
    ("UPDATE db_dbcomputer SET label = ''", "`label`: Value should have at least 1"),
    ("UPDATE db_dbuser SET email = X'4243'", "`email`: Input should be a valid string"),
    ("UPDATE db_dblog SET metadata = 'null'", "is no table of names and values"),
    ("UPDATE db_dblog SET message = X'00ff'", "`message`: Input should be a valid string"),
    # attributes that queries and reports read
    (attribute(FRAMES, "sizes", "null"), "`sizes`: Input should be a valid list"),
    (attribute(FRAMES, "n_frames", "1000000000000000000"), "`n_frames`: Input should be less"),
    (attribute(FRAMES, "elements", "5"), "`elements`: Input should be a valid list"),
    (attribute(FRAMES, "elements", '["Cu\\nshell"]'), "is no chemical element"),
    (attribute(FRAMES, "n_atoms", "7"), "`n_atoms` does not follow from its file"),
    (attribute(FRAMES, "lowest_energies", '{"Cu55": -1e6}'), "does not follow from its file"),
    (attribute(POTENTIAL, "kind", '"python"'), "`python` is no kind of potential"),
    (attribute(POTENTIAL, "cutoff", '"5"'), "`cutoff`: Input should be a valid number"),
    (attribute(POTENTIAL, "cutoff", "4.0"), "has another cutoff (5.50679 Å) than the node"),
    (attribute(POTENTIAL, "elements", '["Ag"]'), "is of other elements (Cu) than the node"),
    (attribute(POTENTIAL, "training_set", '"../x"'), "is no UUID"),
    (attribute(INT, "value", '"5"'), "`value`: Input should be a valid integer"),
    (attribute(JOB, "exit_status", '"0"'), "`exit_status`: Input should be a valid integer"),
    (attribute(JOB, "process_state", '"running"'), "`process_state`: Input should be"),
    (attribute(JOB, "resources", '{"num_machines": "many"}'), "is no number of processes"),
    (attribute(JOB, "sealed", "false"), "has not ended: ask its maker"),
    (set_one(JOB, "attributes", "json_remove(attributes, '$.sealed')"), "has not ended"),
    (
        set_one(ARRAY, "attributes", "json_set(attributes, '$.\"array|../x\"', json('[3]'))"),
        "has no file `../x.npy`",
    ),
    (
        set_one(ARRAY, "attributes", "json_set(attributes, '$.\"array|sizes\"', json('[-3]'))"),
        "is no shape of an array",
    ),
    (
        set_one(ARRAY, "attributes", "replace(attributes, '[', '[1000000000000, ')"),
        "not [1000000000000,",
    ),
    # files
    (file_named("../frames.npz"), "leads out of its folder"),
    (file_named(""), "leads out of its folder"),
    (file_named("a/b"), "leads out of its folder"),
    (file_named("x" * 300), "has a longer name than a file can have"),
    (file_named("a\x1b[2J"), "has characters that cannot be printed"),
    (file_named("other.npz"), "has no file `frames.npz`"),
    (set_one(INT, "repository_metadata", '\'{"o": {"..": {}}}\''), "leads out of its folder"),
    (set_one(INT, "repository_metadata", '\'{"o": {"a": {"o": {"..": {}}}}}\''), "leads out"),
    (set_one(INT, "repository_metadata", "'{\"o\": [1]}'"), "files that AiiDA does not write"),
    (set_one(INT, "repository_metadata", '\'{"o": {"a": 1}}\''), "AiiDA does not write"),
    (set_one(INT, "repository_metadata", '\'{"o": {"a": {"k": 1}}}\''), "AiiDA does not write"),
    (set_one(INT, "repository_metadata", '\'{"o": {"a": {"k": "b"}}}\''), "is missing: fetch"),
    # links
    ("UPDATE db_dblink SET label = '/tmp/x' WHERE id = (SELECT min(id) FROM db_dblink)", "label"),
    ("UPDATE db_dblink SET label = '../x' WHERE id = (SELECT min(id) FROM db_dblink)", "label"),
    ("UPDATE db_dblink SET label = 'class' WHERE id = (SELECT min(id) FROM db_dblink)", "label"),
    ("UPDATE db_dblink SET type = 'magic' WHERE id = (SELECT min(id) FROM db_dblink)", "`type`"),
    ("UPDATE db_dblink SET type = 'return' WHERE type = 'create'", "of type return leads from a"),
    ("UPDATE db_dblink SET input_id = output_id WHERE type = 'create'", "leads from a data."),
    ("UPDATE db_dblink SET input_id = 99999 WHERE type = 'create'", "refers to a row that is"),
    (
        "INSERT INTO db_dblink (input_id, output_id, label, type) SELECT "
        f"(SELECT id FROM db_dbnode WHERE {JOB}), output_id, 'other', 'create' FROM db_dblink "
        f"WHERE type = 'create' AND input_id != (SELECT id FROM db_dbnode WHERE {JOB})",
        "has two creators",
    ),
    (
        "INSERT INTO db_dblink (input_id, output_id, label, type) SELECT output_id, input_id, "
        "'again_' || id, 'input_calc' FROM db_dblink WHERE type = 'create'",
        "is among those it was made of",
    ),
    (
        "INSERT INTO db_dblink (input_id, output_id, label, type) SELECT input_id, output_id, "
        "label, type FROM db_dblink WHERE type = 'input_calc'",
        "has two inputs",
    ),
    # the database itself
    ("CREATE VIEW evil AS SELECT 1", "its database holds a view `evil`"),
    (
        "CREATE TRIGGER evil AFTER INSERT ON db_dbnode BEGIN SELECT 1; END",
        "its database holds a trigger `evil`",
    ),
    ("CREATE TABLE evil (id INTEGER)", "its database holds a table `evil`"),
    ("ALTER TABLE db_dbnode ADD COLUMN evil TEXT", "has other columns than AiiDA's"),
]


def refused(path: Path, *options: str) -> str:
    """The message of an import that is refused and stores nothing, not even a user or group."""
    counted = (Node, Computer, Group, User)
    before = [QueryBuilder().append(kind).count() for kind in counted]
    code, text = run_import(path, *options)
    assert code == 2, text
    assert [QueryBuilder().append(kind).count() for kind in counted] == before
    assert text.isprintable()
    return text


def test_the_archive_itself_is_good(aiida_profile_clean, archive) -> None:
    code, text = run_import(archive)
    assert code == 0 and "28 nodes, 28 of them new" in text


@pytest.mark.parametrize(("statement", "message"), ROWS, ids=range(len(ROWS)))
def test_rows_are_refused(aiida_profile, archive, statement, message) -> None:
    text = refused(with_sql(archive, statement))
    assert message in text


def test_rows_that_occur_twice(aiida_profile_clean, archive) -> None:
    """A database without AiiDA's constraints may hold two nodes of one UUID."""

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE copied AS SELECT * FROM db_dbnode")
        connection.execute("DROP TABLE db_dbnode")
        connection.execute("ALTER TABLE copied RENAME TO db_dbnode")
        connection.execute(f"INSERT INTO db_dbnode SELECT * FROM db_dbnode WHERE {JOB}")
        connection.execute("UPDATE db_dbnode SET id = 9999 WHERE rowid = last_insert_rowid()")

    assert "is in it twice" in refused(with_database(archive, change))


def test_files_that_are_not_what_their_node_says(aiida_profile_clean, archive, tmp_path) -> None:
    """An array of Python objects is a pickle, which runs when it is read."""
    import hashlib
    import io

    import numpy as np

    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return Path.touch, (marker,)

    stream = io.BytesIO()
    np.save(stream, np.array([Evil()], dtype=object), allow_pickle=True)
    contents = {"array": stream.getvalue(), "frames": b"no frames at all"}
    for where, content, message in (
        (ARRAY, contents["array"], "holds Python objects, which run code"),
        (ARRAY, b"\x93NUMPY\x01\x00\xff\xff{}", "is no array of numpy"),
        (FRAMES, contents["frames"], "is no file of frames"),
    ):
        key = hashlib.sha256(content).hexdigest()
        old = json.loads(_metadata(archive, where))
        name = next(iter(old["o"]))
        old["o"][name]["k"] = key
        new = with_sql(archive, set_one(where, "repository_metadata", f"'{json.dumps(old)}'"))
        new = _with_object(new, key, content)
        assert message in refused(new)
    assert not marker.exists()


def _metadata(archive: Path, where: str) -> str:
    uuid_of(archive, where)
    with sqlite3.connect(archive.with_suffix(".sqlite")) as connection:
        query = f"SELECT repository_metadata FROM db_dbnode WHERE {where} ORDER BY id"
        return connection.execute(query).fetchone()[0]


def _with_object(archive: Path, key: str, content: bytes) -> Path:
    import zipfile

    with zipfile.ZipFile(archive, "a") as out:
        out.writestr(f"repo/{key}", content)
    return archive


# -- nodes that are here stay as they are ------------------------------------------------------


@pytest.fixture
def mine(aiida_profile_clean, archive) -> Path:
    """An archive all of whose nodes this profile has."""
    assert run_import(archive)[0] == 0
    return archive


def test_no_new_creator_of_a_known_node(mine) -> None:
    """A stranger's process becomes neither creator, nor caller, nor user of what is here."""
    job = uuid_of(mine, JOB)
    new_uuid = "11111111-2222-4333-8444-555555555555"
    columns = (
        "node_type, process_type, label, description, ctime, mtime, attributes, extras, "
        "repository_metadata, dbcomputer_id, user_id"
    )

    def stranger(where: str) -> str:
        return (
            f"INSERT INTO db_dbnode (uuid, {columns}) SELECT '{new_uuid}', {columns} "
            f"FROM db_dbnode WHERE {where}"
        )

    link = "INSERT INTO db_dblink (input_id, output_id, label, type) SELECT {}, {}, 'evil', '{}'"
    its = f"(SELECT id FROM db_dbnode WHERE uuid = '{new_uuid}')"
    own = f"(SELECT min(id) FROM db_dbnode WHERE {INT})"
    known_job = f"(SELECT id FROM db_dbnode WHERE uuid = '{job}')"
    for where, ends, kind in (
        (f"uuid = '{job}'", (its, own), "create"),
        ("node_type LIKE '%.WorkChainNode.'", (its, own), "return"),
        (INT + " AND id = " + own, (its, known_job), "input_calc"),
        (INT + " AND id = " + own, (known_job, its), "create"),
    ):
        evil = with_sql(mine, stranger(where), link.format(*ends, kind))
        text = refused(evil)
        assert f"a link `evil` ({kind})" in text and "import it with --trust" in text
    code, text = run_import(evil, "--trust")
    assert code == 0 and "1 of them new" in text


def test_no_comments_on_a_known_node(mine) -> None:
    uuid = uuid_of(mine, INT)
    evil = with_sql(
        mine,
        "INSERT INTO db_dbcomment (uuid, dbnode_id, ctime, mtime, user_id, content) SELECT "
        "'11111111-2222-4333-8444-555555555555', id, ctime, mtime, user_id, 'wrong' "
        f"FROM db_dbnode WHERE uuid = '{uuid}'",
    )
    assert f"a comment or message to node {uuid}" in refused(evil)
    assert QueryBuilder().append(Comment).count() == 0


def test_extras_labels_and_computers_that_are_here_stay(mine) -> None:
    uuid = uuid_of(mine, INT)
    node = load_node(uuid)
    node.base.extras.set("note", "mine")
    node.label = "mine"
    computer = QueryBuilder().append(Computer).first(flat=True)
    held = (computer.label, computer.hostname, computer.metadata)
    evil = with_sql(
        mine,
        set_one(INT, "extras", '\'{"note": "theirs", "more": 1}\''),
        set_one(INT, "label", "'theirs'"),
        "UPDATE db_dbcomputer SET hostname = 'evil', metadata = '{\"workdir\": \"/evil\"}'",
    )
    for options in ((), ("--trust",)):
        assert run_import(evil, *options)[0] == 0
        node = load_node(uuid)
        assert node.label == "mine" and node.base.extras.get("note") == "mine"
        assert "more" not in node.base.extras.keys()
        computer = QueryBuilder().append(Computer).first(flat=True)
        assert (computer.label, computer.hostname, computer.metadata) == held


def test_no_import_of_others_is_settled(aiida_profile_clean, tmp_path) -> None:
    """A group that says it is an import left unfinished changes no node of this profile."""
    uuid = Int(1).store().uuid
    pending = {"nodes": [uuid], "computers": [], "trusted": False}
    pending["extras"] = {uuid: {"note": "theirs"}}
    group = ImportGroup(label="left").store()
    group.add_nodes([Int(2).store()])
    group.base.extras.set(PENDING, pending)
    archive = tmp_path / "group.aiida"
    create_archive([group], archive)
    aiida_profile_clean.reset_storage()
    again = Int(1)
    again.backend_entity.model.uuid = uuid
    again.store()
    assert "has marks that only an import sets" in refused(archive)
    import_archive(archive)  # AiiDA's own
    assert QueryBuilder().append(Group, filters={"extras": {"has_key": PENDING}}).count() == 1
    other = tmp_path / "other.aiida"
    create_archive([Dict({"a": 1}).store()], other)
    assert run_import(cut_copper(tmp_path / "cut.aiida"))[0] == 0
    assert "note" not in load_node(uuid).base.extras.keys()
    assert QueryBuilder().append(Group, filters={"extras": {"has_key": PENDING}}).count() == 0


def test_broken_metadata(aiida_profile_clean, archive) -> None:
    for content in (b"[]", b"5", b'{"export_version": [1]}', DEEP.encode(), b"\xff\xfe"):
        new = rewrite(archive, lambda n, c, new=content: new if n == "metadata.json" else c)
        assert "is no archive AiiDA can read" in refused(new) or "schema" in refused(new)


def test_seals_are_any_text(aiida_profile_clean, tmp_path) -> None:
    """What stands in the place of a seal may be anything, and is then none."""
    for number, seal in enumerate(["é", 3, None, ["a"]]):
        group = ImportGroup(label=f"left {number}").store()
        group.base.extras.set(PENDING, {"content": {"nodes": []}, "seal": seal})
    assert run_import(cut_copper(tmp_path / "cut.aiida"))[0] == 0
    assert QueryBuilder().append(Group, filters={"extras": {"has_key": PENDING}}).count() == 0
    assert not any(is_seal(seal, "ab" * 32) for seal in ("é", 3, None, ["a"], "\udc80"))


# -- doctor ------------------------------------------------------------------------------------


def test_doctor_runs_no_imported_code(aiida_profile_clean, aiida_localhost, tmp_path) -> None:
    """On a computer that is here, a stranger's code has a prepend text of its own."""
    from aiida.orm import InstalledCode

    from aiida_nanoclusters.cli.machine.doctor import doctor

    marker = tmp_path / "ran"
    aiida_localhost.store()
    code = InstalledCode(
        label="lammps",
        computer=aiida_localhost,
        filepath_executable="/bin/true",
        prepend_text=f"touch {marker}",
    ).store()
    archive = tmp_path / "code.aiida"
    create_archive([code], archive)
    uuid = code.uuid
    from aiida.tools import delete_nodes

    delete_nodes([code.pk], dry_run=False)
    assert run_import(archive)[0] == 0 and not may_run(load_node(uuid))
    _, text = run(doctor, aiida_localhost.label)
    assert f"is not run fix: if you trust its maker: aiida-nanoclusters trust {uuid}" in text
    assert not marker.exists()
    load_node(uuid).backend_entity.model.attributes = {"filepath_executable": None}
    load_node(uuid).backend_entity.model.save()
    _, text = run(doctor, aiida_localhost.label)
    assert f"code {uuid} cannot be read: `filepath_executable`" in text
