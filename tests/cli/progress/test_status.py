import io
from datetime import datetime, timedelta, timezone

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.engine import calcfunction, workfunction
from aiida.schedulers.datastructures import JobState
from ase import Atoms
from click.testing import CliRunner
from plumpy import ProcessState
from rich.console import Console

from aiida_nanoclusters.cli.main import cli
from aiida_nanoclusters.cli.progress import live_table as progress_module
from aiida_nanoclusters.cli.progress.counts import JobTotal, Process, ProgressRow, read_progress
from aiida_nanoclusters.cli.progress.live_table import duration, short_duration, watch
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.science.frames import Frames


@calcfunction
def halve(x):
    return orm.Float(x.value / 2)


@workfunction
def halve_twice(x):
    return halve(halve(x))


@pytest.fixture
def tree(aiida_profile_clean):
    """A study under way: two trainings (one failed, its work chain mended it), one job running."""

    def make(cls, label, state, parent=None, exit_status=None, message=""):
        node = cls()
        node.set_process_label(label)
        node.set_process_type("aiida.workflows:nanoclusters.study")
        node.set_process_state(ProcessState(state))
        if exit_status is not None:
            node.set_exit_status(exit_status)
            node.set_exit_message(message)
        if parent is not None:
            kind = LinkType.CALL_WORK if cls is orm.WorkChainNode else LinkType.CALL_CALC
            node.base.links.add_incoming(parent, kind, f"call_{node.uuid[:8]}")
        return node.store()

    study = make(orm.WorkChainNode, "StudyWorkChain", "waiting")
    train = make(orm.WorkChainNode, "TrainWorkChain", "finished", study, 0)
    bad = make(orm.CalcJobNode, "TrainCalculation", "finished", train, 410, "the loss is NaN")
    good = make(orm.CalcJobNode, "TrainCalculation", "finished", train, 0)
    good.base.extras.set("_aiida_cached_from", bad.uuid)
    scan = make(orm.WorkChainNode, "SizeScanWorkChain", "waiting", study)
    waiting = make(orm.CalcJobNode, "LammpsCalculation", "waiting", scan)
    waiting.set_scheduler_state(JobState.QUEUED)
    make(orm.CalcJobNode, "LammpsCalculation", "finished", scan, 0)
    return study, train, bad


def test_stages_are_counted_in_call_order(tree):
    study, _, bad = tree
    progress = read_progress(study.pk)
    counts = [(s.path[1:], s.done, s.active, s.failed, s.cached) for s in progress.rows]
    assert counts == [
        (("TrainWorkChain",), 1, 0, 0, 0),
        (("TrainWorkChain", "TrainCalculation"), 1, 0, 1, 1),
        (("SizeScanWorkChain",), 0, 1, 0, 0),
        (("SizeScanWorkChain", "LammpsCalculation"), 1, 1, 0, 0),
    ]
    assert [s.queued for s in progress.rows] == [0, 0, 0, 1]
    assert not progress.root.terminated
    error = progress.last_error
    assert (error.pk, error.exit_status, error.message) == (bad.pk, 410, "the loss is NaN")
    assert error.parent_ok


def test_many_processes_are_asked_for_in_pieces(tree, monkeypatch):
    whole = read_progress(tree[0].pk)
    monkeypatch.setattr("aiida_nanoclusters.data.chunks.CHUNK", 1)
    assert read_progress(tree[0].pk) == whole


def test_status_says_what_waits_for_a_person(tree):
    study, train, _ = tree
    (scan,) = [node for node in study.called if node.process_label == "SizeScanWorkChain"]
    for node in (scan, train):  # a process that has ended waits for nobody
        node.pause()
        node.set_process_status("No space left. Then: verdi process play 7")
    assert [p.pk for p in read_progress(study.pk).paused] == [scan.pk]
    shown = " ".join(CliRunner().invoke(cli, ["status"]).output.split())
    assert (
        f"paused: SizeScanWorkChain<{scan.pk}> No space left. Then: verdi process play 7" in shown
    )


def test_status_shows_the_latest_study_and_its_error(tree):
    study, _, bad = tree
    result = CliRunner().invoke(cli, ["status"])
    assert result.exit_code == 0, result.output
    assert study.uuid in result.output
    assert "the loss is NaN (its work chain recovered)" in result.output
    assert f"verdi process report {bad.pk}" in result.output
    said = " ".join(result.output.split())
    assert "1 (1)" in said and "in brackets: done, but taken from cache" in said
    assert max(map(len, result.output.splitlines())) <= 80
    assert "verdi daemon start" in result.output  # this profile has no daemon


def test_labelling_tells_its_frames(aiida_profile_clean):
    """Five asked for and an isolated atom; one was known, a job labelled two and is followed."""
    frames = [Atoms("Cu2", [[0, 0, 0], [0, 0, d]]) for d in (2.1, 2.2, 2.3, 2.4, 2.5)]
    asked = FramesData(frames).store()

    def child(cls, label, parent, state="finished"):
        node = cls()
        node.set_process_label(label)
        node.set_process_state(ProcessState(state))
        kind = LinkType.CALL_WORK if cls is orm.WorkChainNode else LinkType.CALL_CALC
        node.base.links.add_incoming(parent, kind, f"call_{node.uuid[:8]}")
        return node.store()

    def make(count, creator, label, *, labelled):
        frames_made = Frames.from_atoms([*frames, Atoms("Cu")][:count])
        if labelled:
            energies, forces = [0.0] * count, [[0.0] * 3] * len(frames_made.numbers)
            frames_made = frames_made.with_labels(
                energies, forces, level_of_theory="x", atom_energies={}
            )
        node = FramesData(frames_made)
        node.base.links.add_incoming(creator, LinkType.CREATE, label)
        return node.store()

    chain = orm.WorkChainNode()
    chain.set_process_label("LabelWorkChain")
    chain.set_process_state(ProcessState("waiting"))
    chain.base.links.add_incoming(asked, LinkType.INPUT_WORK, "frames")
    chain.store()
    assert read_progress(chain.pk).frames == {("LabelWorkChain",): (0, 5)}

    make(6, child(orm.CalcFunctionNode, "with_isolated_atoms", chain), "result", labelled=False)
    make(1, child(orm.CalcFunctionNode, "take_known", chain), "frames", labelled=True)
    engine = child(orm.WorkChainNode, "Cp2kEngineWorkChain", chain, "waiting")
    job = child(orm.CalcJobNode, "Cp2kCalculation", engine)
    make(2, job, "labelled", labelled=True)
    make(3, child(orm.CalcFunctionNode, "select_frames", engine), "result", labelled=True)
    child(orm.CalcJobNode, "Cp2kCalculation", engine, "waiting")
    assert read_progress(chain.pk).frames == {("LabelWorkChain",): (3, 6)}
    assert "3 of 6 frames" in CliRunner().invoke(cli, ["status", chain.uuid]).output


@pytest.fixture
def timed(aiida_profile_clean):
    """A study with a job timed by its scheduler, one without such a time, and one from cache."""
    study = orm.WorkChainNode()
    study.set_process_label("StudyWorkChain")
    study.set_process_state(ProcessState("finished"))
    study.set_exit_status(0)
    study.store()
    scan = orm.WorkChainNode()
    scan.set_process_label("SizeScanWorkChain")
    scan.set_process_state(ProcessState("finished"))
    scan.set_exit_status(0)
    scan.base.links.add_incoming(study, LinkType.CALL_WORK, "scan")
    scan.store()
    began = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def job(label, reported=None, *, cached=False):
        node = orm.CalcJobNode()
        node.set_process_label(label)
        node.set_process_state(ProcessState("finished"))
        node.set_exit_status(0)
        info = {"submission_time": began.isoformat()}
        if reported is not None:
            info["wallclock_time_seconds"] = reported
        node.base.attributes.set("last_job_info", info)
        checked = (began + timedelta(seconds=40)).isoformat()
        node.base.attributes.set("scheduler_lastchecktime", checked)
        node.base.links.add_incoming(scan, LinkType.CALL_CALC, f"call_{node.uuid[:8]}")
        node.store()
        if cached:
            node.base.extras.set("_aiida_cached_from", "another")

    job("LammpsCalculation", 90)
    job("LammpsCalculation", 1000, cached=True)
    job("RelaxCalculation")
    return study


def test_job_time_is_summed_up_the_call_tree(timed):
    """Neither the span of a row nor jobs from cache count; an estimate is marked as such."""
    top, scan = ("StudyWorkChain",), ("StudyWorkChain", "SizeScanWorkChain")
    both = JobTotal(timedelta(seconds=130), True)
    assert read_progress(timed.pk).job_times == {
        top: both,
        scan: both,
        (*scan, "LammpsCalculation"): JobTotal(timedelta(seconds=90), False),
        (*scan, "RelaxCalculation"): JobTotal(timedelta(seconds=40), True),
    }
    lines = CliRunner().invoke(cli, ["status", timed.uuid]).output.splitlines()
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line.strip()}
    assert rows["process"] == "done elapsed computing"  # counts that are zero are left out
    assert rows["SizeScanWorkChain"].endswith("~2.2 min")
    assert rows["LammpsCalculation"].startswith("2 (1) ")
    assert rows["LammpsCalculation"].endswith("1.5 min")
    assert rows["RelaxCalculation"].endswith("~40 s")
    shown = " ".join(" ".join(lines).split())
    assert "computing: wall time of all its jobs together" in shown
    assert "~ estimated from submission to end" in shown


def test_status_of_one_branch(tree):
    _, train, _ = tree
    result = CliRunner().invoke(cli, ["status", train.uuid])
    assert result.exit_code == 0
    assert "TrainCalculation" in result.output
    assert "LammpsCalculation" not in result.output


def test_status_of_a_finished_process(aiida_profile_clean):
    result, node = halve_twice.run_get_node(orm.Float(8.0))
    assert result.value == 2.0
    shown = CliRunner().invoke(cli, ["status", str(node.pk), "--watch"])
    assert shown.exit_code == 0, shown.output
    assert "finished" in shown.output
    line = next(line for line in shown.output.splitlines() if line.strip().startswith("halve "))
    assert line.split()[1] == "2"


def test_status_of_a_failed_process_exits_1(tree):
    _, _, bad = tree
    result = CliRunner().invoke(cli, ["status", bad.uuid])
    assert result.exit_code == 1
    assert "failed [410] the loss is NaN" in result.output


@pytest.mark.parametrize("uuid", ["ffffffff", "not-a-uuid", "999999"])
def test_unknown_process_is_one_line_with_a_fix(aiida_profile_clean, uuid):
    result = CliRunner().invoke(cli, ["status", uuid])
    assert result.exit_code == 2
    assert result.output.strip() == f"Error: no process `{uuid}`: `verdi process list -a` shows all"


def test_no_study_and_data_nodes_are_named(aiida_profile_clean):
    nothing = CliRunner().invoke(cli, ["status"])
    assert nothing.exit_code == 2 and "aiida-nanoclusters run study" in nothing.output
    data = CliRunner().invoke(cli, ["status", orm.Int(1).store().uuid])
    assert data.exit_code == 2 and "is data, not a process" in data.output


def test_watch_gives_up_on_a_daemon_that_stays_away(tree):
    study, _, _ = tree
    console = Console(file=io.StringIO(), width=160)
    assert not watch(study, console, interval=0.01, patience=0.05)
    shown = console.file.getvalue()
    assert "The daemon is not running, so the study does not proceed" in shown
    assert f"aiida-nanoclusters status {study.uuid} --watch" in shown
    assert (
        shown.count("SizeScanWorkChain > LammpsCalculation: 1 done, 0 running, 1 queued, 0 failed")
        == 1
    )


@pytest.mark.parametrize("terminal", [True, False])
def test_watch_ends_with_the_study(tree, monkeypatch, terminal):
    study, _, _ = tree
    looks = []

    def runs():
        looks.append(1)
        if len(looks) == 3:
            study.set_process_state(ProcessState.FINISHED)
            study.set_exit_status(0)
        return True

    monkeypatch.setattr(progress_module, "daemon_runs", runs)
    console = Console(file=io.StringIO(), width=160, force_terminal=terminal)
    assert watch(study, console, interval=0.01)
    assert len(looks) == 3
    assert "finished" in console.file.getvalue()


def test_watch_leaves_the_study_on_ctrl_c(tree, monkeypatch):
    study, _, _ = tree

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(progress_module, "daemon_runs", interrupt)
    console = Console(file=io.StringIO(), width=160)
    assert not watch(study, console, interval=0.01)
    assert f"aiida-nanoclusters status {study.uuid} --watch" in console.file.getvalue()
    assert not study.is_terminated


def test_time_left_is_the_pace_so_far():
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    now = start + timedelta(minutes=10)

    def process(state, cached=False):
        return Process(1, "", ("Study", "Job"), start, now, state, 0, "", cached)

    row = ProgressRow(("Study", "Job"), [process("finished")] * 2 + [process("waiting")])
    assert row.left(now) == timedelta(minutes=5)
    assert ProgressRow(row.path, [process("waiting")]).left(now) is None
    assert ProgressRow(row.path, [process("finished", True), process("waiting")]).left(now) is None
    assert ProgressRow(row.path, [process("finished")]).left(now) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min 00 s"), (3599, "59 min 59 s"), (7260, "2 h 01 min")],
)
def test_duration(seconds, text):
    assert duration(timedelta(seconds=seconds)) == text


def crossover_of(study, key: str) -> orm.WorkChainNode:
    """A search of a study, with one potential under this key."""
    potential = PotentialData.lennard_jones("Cu", epsilon=0.4, sigma=2.3, cutoff=6.0).store()
    node = orm.WorkChainNode()
    node.set_process_label("CrossoverWorkChain")
    node.set_process_state(ProcessState("finished"))
    node.set_exit_status(0)
    node.base.links.add_incoming(potential, LinkType.INPUT_WORK, f"potentials__{key}")
    node.base.links.add_incoming(study, LinkType.CALL_WORK, f"call_{node.uuid[:8]}")
    return node.store()


def test_the_crossovers_of_committee_and_reference_are_told_apart(timed):
    committee, reference = crossover_of(timed, "seed_1"), crossover_of(timed, "reference")
    rows = {row.label: [p.pk for p in row.processes] for row in read_progress(timed.pk).rows}
    assert rows["CrossoverWorkChain (committee)"] == [committee.pk]
    assert rows["CrossoverWorkChain (reference)"] == [reference.pk]


def test_a_process_ends_with_its_last_result(timed):
    """Whatever is changed on its node later, by an import for instance."""
    job = next(c for c in timed.called_descendants if c.process_label == "RelaxCalculation")
    result = orm.Dict({})
    result.base.links.add_incoming(job, LinkType.CREATE, "report")
    result.store()
    for node in (timed, job):
        node.label = "changed later"
    progress = read_progress(timed.pk)
    (row,) = [row for row in progress.rows if row.label == "RelaxCalculation"]
    assert row.processes[0].changed == progress.root.changed == result.ctime
    assert progress.root.changed < timed.mtime


def launched_alone(name: str, **attributes) -> orm.WorkChainNode:
    node = orm.WorkChainNode(process_type=f"aiida.workflows:nanoclusters.{name.lower()}")
    node.set_process_label(f"{name}WorkChain")
    node.set_process_state(ProcessState("finished"))
    node.set_exit_status(attributes.pop("status", 0))
    return node.store()


def test_without_uuid_the_last_study_and_a_list(aiida_profile_clean):
    study = launched_alone("Study")
    later = launched_alone("Anneal", status=400)
    called = orm.WorkChainNode(process_type="aiida.workflows:nanoclusters.train")
    called.set_process_label("TrainWorkChain")
    called.base.links.add_incoming(study, LinkType.CALL_WORK, "train")
    called.store()
    result = CliRunner().invoke(cli, ["status"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"StudyWorkChain  {study.uuid}")
    lines = [line.split()[:4] for line in result.output.splitlines()]
    assert ["*", study.uuid, "Study", "finished"] in lines
    assert [later.uuid, "Anneal", "failed"] in [line[:3] for line in lines]
    assert called.uuid not in result.output
    assert max(map(len, result.output.splitlines())) <= 80


@pytest.mark.parametrize(
    ("seconds", "text"), [(4, "4 s"), (90, "1.5 min"), (7200, "2.0 h"), (9e5, "10.4 d")]
)
def test_short_durations(seconds, text):
    assert short_duration(timedelta(seconds=seconds)) == text
