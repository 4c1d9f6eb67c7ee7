"""Setup asks in a terminal for the open values of a profile.yaml."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from aiida_nanoclusters.cli.machine import questions
from aiida_nanoclusters.cli.machine.profile import find_profile, read_machine
from aiida_nanoclusters.cli.machine.ssh import Remote, configured_hosts
from tests.laptop import CLI, Home

#: A stand-in for OpenSSH: host `cluster` logs in and has Slurm, any other refuses the key.
SSH = """#!/bin/sh
case "$*" in
  "-G -- cluster") printf 'user me\\nhostname login.example\\nport 2222\\n' ;;
  *"-- cluster sinfo"*) printf 'debug\\ncpu*\\nlong\\n' ;;
  *) echo 'Permission denied (publickey).' >&2; exit 255 ;;
esac
"""

LOCAL = """# My own machine.
values: # filled in by hand or by setup
  shell: null # full path of bash
  ranks_here: null   # MPI ranks of a job
  note: null

computers:
  here:
    hostname: localhost
    transport: core.local
    scheduler: core.direct
    workdir: "{aiida_dir}/scratch" # of the jobs
    mpirun: mpirun -np {tot_num_mpiprocs}
    mpiprocs: "{ranks_here}"
    connection: {safe_interval: 0, use_login_shell: false}

codes:
  bash@here:
    executable: "{shell}"
    mpi: false
    description: "{note}"
"""

ANSWERS = {
    "host": "cluster",
    "scratch": "/scratch/{username}/aiida",
    "partition": "long",
    "account": "",
    "cores_per_node": "48",
    "lammps": "/apps/lmp",
    "python": "/apps/my env/python: 3 # new",
    "cp2k": "",
}


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A working folder with a terminal, an `ssh` of our own and an SSH configuration."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(SSH)
    (programs / "ssh").chmod(0o755)
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(
        "Host *\n  User me\nHost cluster other\n  Port 2222\n"
    )
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(questions, "can_ask", lambda: True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(path: Path, lines: list[str]):
    """Ask for the values of a file and answer with those lines."""

    @click.command()
    def ask() -> None:
        click.echo(f"-> {questions.ask_missing(path)}")

    return CliRunner().invoke(ask, input="".join(f"{line}\n" for line in lines))


def copied(folder: Path, name: str = "slurm-cpu") -> Path:
    path = folder / "mine" / "profile.yaml"
    path.parent.mkdir()
    path.write_text(find_profile(name).read_text())
    return path


def comments(text: str) -> list[str]:
    return [line.partition("#")[2] for line in text.splitlines() if "#" in line]


def test_answers_end_in_the_file_and_its_comments_stay(desk):
    path = copied(desk)
    before = path.read_text()
    path.chmod(0o600)
    done = answer(path, list(ANSWERS.values()))
    assert done.exit_code == 0, done.output
    after = path.read_text()
    changed = [
        (old, new)
        for old, new in zip(before.splitlines(), after.splitlines(), strict=True)
        if old != new
    ]
    assert len(changed) == len(ANSWERS)
    for old, new in changed:
        assert ": null" in old
        assert new.endswith(old.partition("null")[2])
    values = yaml.safe_load(after)["values"]
    assert values == yaml.safe_load(before)["values"] | ANSWERS | {"cores_per_node": 48}
    machine = read_machine(path)
    assert [code.label for code in machine.codes] == ["lammps", "nequip"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["profile.yaml"]


def test_questions_are_the_comments_and_offer_what_ssh_knows(desk):
    done = answer(copied(desk), [*ANSWERS.values()])
    assert "Host entry of ~/.ssh/config; `ssh HOST` must log in without asking" in done.output
    assert "~/.ssh/config has cluster, other" in done.output
    assert "ssh logs in as me at login.example, port 2222" in done.output
    assert "Partitions of cluster: debug, cpu, long" in done.output
    assert "partition [cpu]: long" in done.output
    assert 'sbatch -p ("" leaves it out)' in done.output
    assert "sbatch -A (Enter leaves it out)" in done.output


def test_suggestion_is_taken_by_enter_and_left_out_by_quotes(desk):
    path = copied(desk)
    answer(path, list((ANSWERS | {"partition": ""}).values()))
    assert yaml.safe_load(path.read_text())["values"]["partition"] == "cpu"
    path.write_text(find_profile("slurm-cpu").read_text())
    answer(path, list((ANSWERS | {"partition": '""'}).values()))
    assert yaml.safe_load(path.read_text())["values"]["partition"] == ""


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        ("host", ["", "my cluster"], "give one name without blanks"),
        ("host", ["other", "n"], "`ssh other` does not log in without asking: Permission denied"),
        ("scratch", ['""', "scratch"], "give a full path"),
        ("scratch", ['""'], "scratch cannot be left out"),
        ("partition", ["gpu", "n"], "cluster lists no partition gpu"),
        ("cores_per_node", ["", "many", "0"], "give a whole number greater than 0"),
        ("lammps", ["lmp"], "give a full path"),
    ],
)
def test_wrong_answer_is_asked_again(desk, name, wrong, message):
    lines = []
    for key, value in ANSWERS.items():
        lines += [*wrong, value] if key == name else [value]
    path = copied(desk)
    done = answer(path, lines)
    assert done.exit_code == 0, done.output
    assert message in done.output
    assert str(yaml.safe_load(path.read_text())["values"][name]) == ANSWERS[name]


def test_host_that_does_not_answer_is_taken_when_confirmed(desk):
    path = copied(desk)
    lines = ["other", "y", *list(ANSWERS.values())[1:]]
    done = answer(path, lines)
    assert done.exit_code == 0 and "Partitions of" not in done.output
    assert yaml.safe_load(path.read_text())["values"]["host"] == "other"


def test_shipped_template_stays_and_a_copy_is_made(desk):
    template = find_profile("slurm-cpu")
    before = template.read_text()
    done = answer(template, list(ANSWERS.values()))
    assert done.exit_code == 0, done.output
    copy = Path("profile-slurm-cpu") / "profile.yaml"
    assert f"Written to {copy}" in done.output
    assert template.read_text() == before
    assert comments(copy.read_text()) != [] and read_machine(copy).computers
    again = answer(template, list(ANSWERS.values()))
    assert "run `aiida-nanoclusters setup profile-slurm-cpu`" in str(again.exception)
    assert template.read_text() == before


def test_template_reached_by_a_link_stays_too(desk):
    folder = desk / "linked"
    folder.symlink_to(find_profile("slurm-gpu").parent)
    before = (folder / "profile.yaml").read_text()
    answers = {k: v for k, v in ANSWERS.items() if k not in ("cp2k", "cores_per_node")}
    lines = [*list(answers.values())[:4], "12", *list(answers.values())[4:]]
    done = answer(folder / "profile.yaml", lines)
    assert done.exit_code == 0, done.output
    assert (folder / "profile.yaml").read_text() == before
    made = yaml.safe_load((desk / "profile-slurm-gpu" / "profile.yaml").read_text())
    assert made["values"]["cores_per_gpu"] == 12


def test_nothing_is_written_before_the_last_answer(desk):
    path = copied(desk)
    before = path.read_text()
    done = answer(path, list(ANSWERS.values())[:-1])
    assert done.exit_code == 1 and "Aborted" in done.output
    assert path.read_text() == before


def test_other_mistake_in_the_file_shows_before_the_first_question(desk):
    path = copied(desk)
    path.write_text(path.read_text().replace("scheduler:", "schedular:"))
    done = answer(path, [])
    assert "did you mean `scheduler`?" in str(done.exception)
    assert "to fill in" not in done.output


def test_no_question_where_nothing_is_open_or_nobody_answers(desk, monkeypatch):
    assert questions.ask_missing(find_profile("laptop")) is None
    monkeypatch.setattr(questions, "can_ask", lambda: False)
    assert questions.ask_missing(find_profile("slurm-cpu")) is None


@pytest.mark.parametrize("text", ["no", "a: b", "x # y", "010", "1_000", "=", "{a}", "ü", '"', ""])
def test_any_text_is_read_back_as_it_was_given(text):
    filled = questions.with_answers("values:\n  a: ~ # why\n", {"a": text})
    assert yaml.safe_load(filled) == {"values": {"a": text}}
    assert filled.endswith(" # why\n")


def test_values_in_one_line_are_refused():
    with pytest.raises(ValueError, match="on a line `NAME: null`"):
        questions.with_answers("values: {a: null}\n", {"a": "1"})
    assert questions.open_questions("values: {a: null}\n") == []


def test_ssh_configuration_with_included_files(tmp_path):
    (tmp_path / "config").write_text("Include conf.d/*\nHost=one two* !three\nhost four\n")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a").write_text("Host five\n  HostName x\n")
    assert configured_hosts(tmp_path / "config") == ["one", "four", "five"]
    assert configured_hosts(tmp_path / "nothing") == []


def test_missing_ssh_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    remote = Remote("cluster")
    assert "install OpenSSH" in remote.failure
    assert remote.partitions == [] and remote.default_partition is None


def test_setup_without_a_terminal_names_each_value_and_the_file(tmp_path):
    home = Home(tmp_path)
    path = home.folder / "profile.yaml"
    path.write_text(LOCAL)
    done = home.run(CLI, "setup", str(home.folder))
    assert done.returncode == 2
    assert f"{path}: fill in values.shell, values.ranks_here, values.note" in done.stderr
    assert path.read_text() == LOCAL and not (tmp_path / ".aiida").exists()


def test_setup_in_a_terminal_asks_sets_up_and_checks(tmp_path):
    home = Home(tmp_path)
    path = home.folder / "profile.yaml"
    path.write_text(LOCAL)
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", CLI, "setup", str(home.folder), "--no-daemon"]
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=home.variables, close_fds=True
    )
    os.close(theirs)
    os.write(ours, b"bash\n/bin/bash\ntwo\n2\n\n")
    output = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # the terminal is closed when the process has ended
            break
        if not chunk:
            break
        output += chunk
    os.close(ours)
    shown = re.sub(r"\x1b\[[0-9;?]*\w", "", output.decode())  # without colours
    assert process.wait() == 0, shown
    assert "full path of bash (Enter leaves it out)" in shown
    assert "give a full path" in shown and "give a whole number greater than 0" in shown
    filled = LOCAL.replace("shell: null", "shell: /bin/bash").replace("note: null", 'note: ""')
    assert path.read_text() == filled.replace("ranks_here: null  ", "ranks_here: 2")
    assert "computer here" in shown and "made" in shown
    assert "✔ computer here" in shown and "✔ code bash@here" in shown
