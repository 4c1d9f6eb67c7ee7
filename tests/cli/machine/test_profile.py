from pathlib import Path

import pytest
import yaml

from aiida_nanoclusters.cli.machine.profile import (
    SHIPPED,
    find_profile,
    parse_machine,
    read_machine,
)
from aiida_nanoclusters.cli.machine.profile_keys import usual_values
from aiida_nanoclusters.workflows.parts.resources import JobOptions

VALUES = {
    "venv": "/opt/venv",
    "plugin_dir": "/data/plugin",
    "aiida_dir": "/data/.aiida",
    "cores": "8",
    "ranks": "2",
}


def remote() -> dict:
    """A cluster, as a user would write it."""
    return {
        "computers": {
            "cluster": {
                "hostname": "login.cluster",
                "transport": "core.ssh_async",
                "scheduler": "core.slurm",
                "workdir": "/scratch/{username}/aiida",
                "mpirun": "srun -n {tot_num_mpiprocs}",
                "connection": {"host": "cluster", "max_io_allowed": 4},
            }
        },
        "codes": {
            "lammps@cluster": {
                "executable": "/apps/lammps/bin/lmp",
                "mpi": True,
                "prepend_text": "module load lammps\nexport A=${HOME}/x B={brace}",
                "options": {
                    "queue_name": "gpu",
                    "account": "a1",
                    "max_wallclock_seconds": 3600,
                    "resources": {"num_machines": 1, "tot_num_mpiprocs": 4},
                },
            }
        },
    }


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def test_shipped_laptop_is_filled_in():
    machine = read_machine(find_profile("laptop"), VALUES)
    assert machine.needs_plugin
    (computer,) = machine.computers
    assert computer.label == "localhost"
    assert computer.values["workdir"] == "/data/.aiida/scratch"
    assert computer.values["mpirun"] == "mpirun -np {tot_num_mpiprocs}"
    assert computer.values["mpiprocs"] == 2
    lammps, nequip = machine.codes
    assert lammps.full_label == "lammps@localhost"
    assert lammps.values["executable"] == "/opt/venv/bin/lmp"
    assert 'LAMMPS_PLUGIN_PATH="/data/plugin"' in lammps.values["prepend_text"]
    assert 'PATH="/opt/venv/bin:$PATH"' in lammps.values["prepend_text"]
    assert lammps.values["options"]["resources"]["num_mpiprocs_per_machine"] == 1
    assert nequip.values["options"]["withmpi"] is False


def test_every_shipped_profile_is_valid(tmp_path):
    found = sorted(SHIPPED.glob("*/profile.yaml"))
    assert found
    for path in found:
        content = yaml.safe_load(path.read_text())
        for key, value in content.get("values", {}).items():
            content["values"][key] = "4" if value is None else value
        filled_in = written(tmp_path, content)
        read_machine(filled_in)
        read_machine(filled_in, VALUES)


@pytest.mark.parametrize("name", ["slurm-cpu", "slurm-gpu"])
def test_open_values_are_named_with_their_file(name):
    path = find_profile(name)
    wanted = [k for k, v in yaml.safe_load(path.read_text())["values"].items() if v is None]
    assert {"host", "scratch", "partition", "account", "lammps", "python"} <= set(wanted)
    with pytest.raises(ValueError) as error:
        read_machine(path)
    assert str(error.value).startswith(f"{path}: fill in ")
    for key in wanted:
        assert f"values.{key}" in str(error.value)


def slurm_cpu(**values) -> dict:
    """profiles/slurm-cpu, filled in."""
    content = yaml.safe_load(find_profile("slurm-cpu").read_text())
    given = {"host": "login", "scratch": "/scratch/{username}", "partition": "p", "account": "a"}
    programs = {"lammps": "/apps/lmp", "python": "/apps/python", "cp2k": "/apps/cp2k.psmp"}
    content["values"] |= given | programs | {"cores_per_node": 48} | values
    return content


def test_values_are_filled_in_and_left_out(tmp_path):
    machine = read_machine(written(tmp_path, slurm_cpu(account="", cp2k="")), VALUES)
    (computer,) = machine.computers
    assert computer.values["hostname"] == computer.values["connection"]["host"] == "login"
    assert computer.values["workdir"] == "/scratch/{username}"
    assert computer.values["mpirun"] == "srun -n {tot_num_mpiprocs}"
    assert computer.values["mpiprocs"] == 48
    assert [code.label for code in machine.codes] == ["lammps", "nequip"]
    for code in machine.codes:
        assert code.values["options"]["queue_name"] == "p"
        assert "account" not in code.values["options"]
    assert "${SLURM_CPUS_PER_TASK:-1}" in machine.codes[1].values["prepend_text"]


def test_options_by_verb_and_size(tmp_path):
    machine = read_machine(written(tmp_path, slurm_cpu()), VALUES)
    lammps, nequip, _ = machine.codes
    always = {"num_machines": 1, "num_mpiprocs_per_machine": 1}
    options = JobOptions(lammps.values["options"], lammps.verbs)
    assert options == options.at("evaluate", 10_000) == lammps.values["options"]
    assert options.at("anneal", 99)["max_wallclock_seconds"] == 14400
    assert options.at("anneal", 100) == {**options, "max_wallclock_seconds": 43200}
    large = options.at("anneal", 500)
    assert large["resources"] == {**always, "num_mpiprocs_per_machine": 48}
    assert (large["max_wallclock_seconds"], large["account"]) == (86400, "a")
    assert options["resources"] == always  # the base is as it was
    train = JobOptions(nequip.values["options"], nequip.verbs).at("train")
    assert train["resources"] == {**always, "num_cores_per_mpiproc": 48}
    with pytest.raises(ValueError, match="unknown verb `melt`"):
        options.at("melt")


@pytest.mark.parametrize(
    ("section", "key", "value", "message"),
    [
        ("values", "partiton", "x", "values.partiton is used nowhere"),
        ("values", "cores", 4, "values.cores: choose another name"),
        ("values", "host", {"a": None}, "values.host must be text or a number"),
        ("aiida", "storage", "core.psql", "unknown `core.psql`; did you mean `core.psql_dos`?"),
        ("aiida", "brokr", "x", "unknown key `brokr`; did you mean `broker`?"),
        ("aiida", "database", {"usernme": "x"}, "did you mean `username`?"),
        ("aiida", "database", {"password": "x"}, "PGPASSWORD or ~/.pgpass"),
        ("aiida", "rabbitmq", {"port": "x"}, "aiida.rabbitmq.port must be a whole number"),
        ("verbs", "aneal", {}, "unknown key `aneal`; did you mean `anneal`?"),
        ("verbs", "relax", {"walltime": 3}, "verbs.relax: unknown key `walltime`"),
        ("verbs", "relax", {"from_size": {"x": {}}}, "a mapping of numbers of atoms to options"),
        ("verbs", "relax", {"from_size": {9: {"qoss": "a"}}}, "did you mean `qos`?"),
    ],
)
def test_mistakes_in_values_aiida_and_verbs(tmp_path, section, key, value, message):
    content = slurm_cpu()
    place = content["codes"]["lammps@cluster"] if section == "verbs" else content
    place.setdefault(section, {})[key] = value
    with pytest.raises(ValueError) as error:
        read_machine(written(tmp_path, content))
    assert message in str(error.value)


def test_profile_is_found_by_name_folder_and_file(tmp_path):
    path = written(tmp_path, remote())
    assert find_profile(str(tmp_path)) == find_profile(str(path)) == path
    assert find_profile("laptop") == SHIPPED / "laptop" / "profile.yaml"
    with pytest.raises(ValueError, match="laptop"):
        find_profile(str(tmp_path / "nowhere"))


def test_remote_machine_keeps_placeholders_of_aiida_and_the_shell(tmp_path):
    machine = read_machine(written(tmp_path, remote()), VALUES)
    assert not machine.needs_plugin
    assert machine.computers[0].values["workdir"] == "/scratch/{username}/aiida"
    code = machine.codes[0].values
    assert code["prepend_text"].endswith("A=${HOME}/x B={brace}")
    assert code["options"]["resources"] == {"num_machines": 1, "tot_num_mpiprocs": 4}
    assert code["options"]["withmpi"] is True


def test_code_without_options_runs_one_process(tmp_path):
    content = remote()
    del content["codes"]["lammps@cluster"]["options"]
    code = read_machine(written(tmp_path, content), VALUES).codes[0]
    assert code.values["options"] == {
        "withmpi": True,
        "resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1},
    }


@pytest.mark.parametrize(
    ("place", "key", "value", "message"),
    [
        ((), "computer", {}, "the file: unknown key `computer`; did you mean `computers`?"),
        (
            ("computers", "cluster"),
            "wordkir",
            "/x",
            "unknown key `wordkir`; did you mean `workdir`?",
        ),
        (("codes", "lammps@cluster"), "mpii", True, "did you mean `mpi`?"),
        (("codes", "lammps@cluster", "options"), "queue", "q", "did you mean `queue_name`?"),
        (
            ("codes", "lammps@cluster", "options", "resources"),
            "num_machine",
            1,
            "codes.lammps@cluster.options.resources: unknown key `num_machine`; "
            "did you mean `num_machines`?",
        ),
        (("computers", "cluster"), "mpiprocs", "two", "mpiprocs must be a whole number, not 'two'"),
        (("computers", "cluster"), "mpiprocs", {"ranks": None}, r"quote a {placeholder}"),
        (("computers", "cluster"), "mpiprocs", True, "must be a whole number"),
        (("computers", "cluster"), "mpiprocs", 0, "mpiprocs must be a whole number from 1, not 0"),
        (("computers", "cluster"), "poll_interval", -1, "must be a number from 0, not -1"),
        (("computers", "cluster"), "poll_interval", float("nan"), "must be a number from 0"),
        (("computers", "cluster"), "poll_interval", float("inf"), "must be a number from 0"),
        (("codes", "lammps@cluster"), "mpi", "yes", "mpi must be true or false"),
        (("codes", "lammps@cluster"), "executable", "{vnev}/lmp", "did you mean `venv`?"),
        (("codes", "lammps@cluster"), "executable", "", "give `executable`"),
        (("computers", "cluster"), "transport", "", "give `transport`"),
        (("codes",), "lammps", {"executable": "/l"}, "write the label as code@computer"),
        (("codes",), "lammps@cluter", {"executable": "/l"}, "did you mean `cluster`?"),
        (("computers",), "cluster", None, "computers.cluster must be a mapping"),
    ],
)
def test_mistake_is_refused_with_the_nearest(tmp_path, place, key, value, message):
    content = remote()
    section = content
    for name in place:
        section = section[name]
    section[key] = value
    for values in (None, VALUES):
        with pytest.raises(ValueError) as error:
            read_machine(written(tmp_path, content), values)
        assert message in str(error.value)
        assert "profile.yaml" in str(error.value)


def test_broken_yaml_is_named(tmp_path):
    path = tmp_path / "profile.yaml"
    path.write_text("computers: [")
    with pytest.raises(ValueError, match="is no YAML"):
        read_machine(path)


def test_usual_values_are_this_machine(tmp_path):
    values = usual_values(tmp_path / "v", tmp_path / "p", tmp_path / "a")
    assert values["venv"] == str(tmp_path / "v")
    assert 1 <= int(values["ranks"]) <= min(2, int(values["cores"]))


def test_a_damaged_profile_is_read_or_refused_in_a_line():
    text = find_profile("laptop").read_text()
    lines = text.splitlines(keepends=True)
    for k in range(len(lines)):
        start = "".join(lines[:k])
        for damaged in (
            start,
            start + "".join(lines[k + 1 :]),
            start + lines[k] + "".join(lines[k:]),
        ):
            try:
                parse_machine(Path("profile.yaml"), damaged, VALUES)
            except ValueError as error:
                assert str(error).startswith("profile.yaml") and "\n" not in str(error)
