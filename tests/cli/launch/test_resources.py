"""`--options` of the launch scripts."""

import pytest

from aiida_nanoclusters.cli.launch.resources import parse_options
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.workflows.parts.resources import JobOptions

BASE = {
    "max_wallclock_seconds": 60,
    "resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1},
    "withmpi": False,
}


def test_options_of_a_launch_are_laid_over_all_others():
    given = parse_options(["anneal.walltime=1-02:00:30", "ranks=8", "label.partition=long"])
    options = JobOptions(BASE, {"anneal": [(10, {"max_wallclock_seconds": 1})]}, given)
    assert options["resources"] == {"num_machines": 1, "num_mpiprocs_per_machine": 8}
    assert options["withmpi"] is True  # several ranks are started by mpirun
    assert options.at("anneal", 20)["max_wallclock_seconds"] == 26 * 3600 + 30
    assert options.at("label") == {**options, "queue_name": "long"}
    assert options.at("relax") == dict(options)


def test_the_last_word_counts_and_one_rank_needs_no_mpirun():
    given = parse_options(["walltime=10", "walltime=20", "ranks=1", "threads=4", "mpi=false"])
    assert given == {
        "": {
            "max_wallclock_seconds": 20,
            "resources": {"num_mpiprocs_per_machine": 1, "num_cores_per_mpiproc": 4},
            "withmpi": False,
        }
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("walltime", "write it as anneal.walltime=2:00:00"),
        ("aneal.walltime=2", "unknown verb `aneal`; did you mean `anneal`?"),
        ("anneal.waltime=2", "unknown key `waltime`; did you mean `walltime`?"),
        ("walltime=2h", "whole number of seconds, or h:mm:ss"),
        ("ranks=0", "whole number from 1"),
        ("mpi=yes", "true or false"),
        ("resources=3", "unknown key `resources`"),
    ],
)
def test_mistakes_are_refused_with_the_nearest(text, message):
    with pytest.raises(Fixable) as error:
        parse_options([text])
    assert message in error.value.message
