"""Kill an import at many moments: ``python kill_imports.py AIIDA_PATH ARCHIVE MOMENTS``.

Each time the profile is as new, the import is killed (SIGKILL) and done again; what is in the
profile then must be the same as after one import. All imports are forks of this process, so that
the moments are spread over the import itself and not over the start of Python. Prints one line for
each kind of outcome.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path


def main(home: Path, archive: Path, moments: int) -> int:
    os.environ["AIIDA_PATH"] = str(home)
    import aiida_nanoclusters.cli.imports.sources
    import aiida_nanoclusters.data.schemas  # noqa: F401  what is imported here is not waited for

    aiida, fresh, seen = home / ".aiida", home / "fresh", home / "state.json"
    aiida.rename(fresh)

    def again() -> None:
        shutil.rmtree(aiida, ignore_errors=True)
        shutil.copytree(fresh, aiida)

    def importing() -> None:
        from aiida import load_profile

        from aiida_nanoclusters.cli.imports.command import import_paths

        load_profile()
        import_paths((archive,))

    def telling() -> None:
        seen.write_text(json.dumps(_state(), default=str))

    def look() -> dict:
        assert _wait(_fork(telling)) == 0
        return json.loads(seen.read_text())

    again()
    before = look()
    started = time.monotonic()
    assert _wait(_fork(importing)) == 0
    whole, once = time.monotonic() - started, look()
    assert len(once["nodes"]) > len(before["nodes"]) and once["trusted"] == before["trusted"]
    outcomes: Counter = Counter()
    for moment in range(moments):
        again()
        child = _fork(importing)
        time.sleep(whole * (moment + 0.5) / moments)
        os.kill(child, signal.SIGKILL)
        ended = "killed" if _wait(child) == -signal.SIGKILL else "had ended"
        between = look()
        assert between["trusted"] == before["trusted"], moment
        stored = len(between["nodes"]) - len(before["nodes"])
        assert _wait(_fork(importing)) == 0, moment
        assert look() == once, (moment, look(), once)
        done = "all" if between == once else f"{stored}"
        outcomes[f"{ended} with {done} nodes stored"] += 1
    for outcome, count in sorted(outcomes.items()):
        print(f"{outcome}: {count} of {moments}")
    return 0


def _fork(run: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            run()
        status = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    finally:
        os._exit(status)


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _state() -> dict:
    """All that an import may leave, and what is trusted."""
    from aiida import load_profile
    from aiida.orm import Computer, Data, Group, Node, ProcessNode, QueryBuilder

    from aiida_nanoclusters.data.trust import may_run

    load_profile()
    links = QueryBuilder().append(Node, project="uuid", tag="from")
    links = links.append(Node, with_incoming="from", project="uuid", edge_project=["label", "type"])
    kinds = ("data.core.code.%", "data.nanoclusters.potential.%")
    carriers = [
        node
        for kind in kinds
        for node in QueryBuilder()
        .append(Data, filters={"node_type": {"like": kind}})
        .all(flat=True)
    ]
    carriers += QueryBuilder().append(ProcessNode).all(flat=True)
    return {
        "nodes": sorted(
            QueryBuilder().append(Node, project=["uuid", "label", "extras"]).all(), key=str
        ),
        "links": sorted(map(list, links.all()), key=str),
        "groups": QueryBuilder().append(Group, project=["type_string", "extras"]).all(),
        "computers": sorted(QueryBuilder().append(Computer, project=["uuid", "label"]).all()),
        "trusted": [node.uuid for node in carriers if may_run(node)],
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
