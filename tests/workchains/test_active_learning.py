"""An active learning from the command line; killed in the middle it chooses the same frames."""

import re
import subprocess
import sys

import pytest

from tests.workchains.test_scripts import EAM, SCRIPTS, UUID, kill_workers, query, script, wait_for

pytestmark = pytest.mark.faults


def uuid_of(text: str, label: str) -> str:
    found = re.search(rf"{label} ({UUID})", text)
    assert found, text
    return found[1]


def learnt(laptop, uuid: str) -> dict:
    """How a run ended, and the frames of its sets."""
    node = f"orm.load_node('{uuid}')"
    names = ("training", "validation")
    return {
        "reason": query(laptop, f"{node}.outputs.history['reason']"),
        "sets": [query(laptop, f"{node}.outputs.{n}.frames.content_hashes()") for n in names],
    }


def test_killed_in_mid_round_it_chooses_the_same(laptop) -> None:
    done = script(laptop, "dataset", *EAM, "--protocol", "trial")
    assert done.returncode == 0, done.stdout + done.stderr
    dataset = uuid_of(done.stdout, "DatasetWorkChain")
    arguments = ("--dataset", dataset, *EAM, "--protocol", "trial")
    command = [
        sys.executable,
        "-m",
        "aiida",
        "run",
        str(SCRIPTS / "active_learning.py"),
        *arguments,
    ]
    (laptop.path / "out").touch()
    with (laptop.path / "out").open("w") as out:
        process = subprocess.Popen(command, env=laptop.variables, stdout=out, stderr=out)

    def said() -> str:
        return (laptop.path / "out").read_text()

    try:
        wait_for(lambda: re.search(f"ActiveLearningWorkChain {UUID}", said()))
        first = uuid_of(said(), "ActiveLearningWorkChain")
        node = f"orm.load_node('{first}')"
        explored = f"sum(c.process_label == 'ExploreWorkChain' for c in {node}.called)"
        wait_for(lambda: query(laptop, explored) == 2, 1800)  # the second round is under way
    finally:
        process.kill()
    kill_workers(laptop)
    laptop.run("aiida", "daemon", "stop")
    assert laptop.run("aiida_nanoclusters.cli.main", "setup").returncode == 0
    wait_for(lambda: query(laptop, f"{node}.is_terminated"), 1800)
    assert query(laptop, f"{node}.is_finished_ok"), query(laptop, f"{node}.exit_message")
    try:  # what is computed now is not taken from what was
        laptop.run("aiida", "config", "unset", "caching.enabled_for")
        done = script(laptop, "active_learning", *arguments, "--here")
    finally:
        laptop.run("aiida_nanoclusters.cli.main", "setup")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\n +3 +12 +2 ", done.stdout), done.stdout
    second = uuid_of(done.stdout, "ActiveLearningWorkChain")
    assert learnt(laptop, first) == learnt(laptop, second)
    assert learnt(laptop, first)["reason"].startswith("budget: 12 labels asked for, 12 obtained")
