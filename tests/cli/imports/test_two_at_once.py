"""Two commands at once, as real processes: each thing is made once, and neither command fails."""

import json
import subprocess
import sys

from tests.cli.small_archive import cut_copper
from tests.laptop import CLI, Home

PROFILE = {
    "computers": {
        "here": {
            "hostname": "localhost",
            "transport": "core.local",
            "scheduler": "core.direct",
            "workdir": "{aiida_dir}/scratch",
            "connection": {"safe_interval": 0, "use_login_shell": False},
        }
    },
    "codes": {"bash@here": {"executable": "/bin/bash", "mpi": False}},
}
COUNT = """
from aiida.orm import Computer, ImportGroup, InstalledCode, Node, QueryBuilder
kinds = (Computer, InstalledCode, ImportGroup, Node)
print("COUNT", [QueryBuilder().append(kind).count() for kind in kinds])
"""


def both(home: Home, *arguments: str) -> list[str]:
    """Start a command twice; the outputs, the shorter first."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", CLI, *arguments],
            env=home.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    outputs = []
    for process in processes:
        outputs.append(process.communicate(timeout=300)[0])
        assert process.returncode == 0, outputs[-1]
    return outputs


def test_setups_and_imports(tmp_path) -> None:
    home = Home(tmp_path / "home")
    home.write(PROFILE)
    setups = both(home, "setup", str(home.folder), "--no-daemon")
    assert sorted(text.count(" made ") for text in setups) == [0, 4]
    config = json.loads((home.path / ".aiida" / "config.json").read_text())
    assert list(config["profiles"]) == ["nanoclusters"]

    archive = cut_copper(tmp_path / "cut.aiida")
    imports = both(home, "import", str(archive))
    assert sorted("28 of them new" in text for text in imports) == [False, True]
    assert sum("0 of them new" in text for text in imports) == 1
    (home.path / "count.py").write_text(COUNT)
    counted = home.run("aiida", "run", str(home.path / "count.py"))
    assert "COUNT [2, 2, 1, 29]" in counted.stdout, counted.stderr
