"""Potentials that a bare name stands for: the package makes them where a launch names them."""

import pytest

from aiida_nanoclusters.cli.launch.nodes import find_potential, get_potential
from aiida_nanoclusters.cli.terminal import Fixable
from aiida_nanoclusters.formats.lammps.rgl import PARAMETERS, setfl_text

pytestmark = pytest.mark.usefixtures("aiida_profile_clean")


@pytest.mark.parametrize("symbol", PARAMETERS)
def test_an_rgl_metal_is_a_potential_by_its_name(symbol):
    name = f"rgl-{symbol}.eam.alloy"
    node = get_potential(name, "eam/alloy", None)
    assert node.is_stored and node.level_of_theory == name
    assert list(node.elements) == [symbol]
    assert node.base.repository.get_object_content("potential.eam.alloy") == setfl_text(
        PARAMETERS[symbol]
    )
    assert get_potential(name, "eam/alloy", None).uuid == node.uuid
    assert find_potential(name, "eam/alloy", symbol).uuid == node.uuid


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rgl-Au.eam.alloy").write_text(setfl_text(PARAMETERS["Ag"]))
    assert list(get_potential("rgl-Au.eam.alloy", "eam/alloy", None).elements) == ["Ag"]


def test_other_elements_are_refused_in_one_line():
    with pytest.raises(Fixable, match="no RGL potential for Pb"):
        get_potential("rgl-Pb.eam.alloy", "eam/alloy", None)


def test_a_file_is_one_potential_whatever_digits_its_cutoff_has(tmp_path):
    lines = setfl_text(PARAMETERS["Cu"]).splitlines()
    *grid, cutoff = lines[4].split()
    lines[4] = " ".join([*grid, repr(float(cutoff) + 1.1e-14)])
    (tmp_path / "Cu.eam.alloy").write_text("\n".join(lines) + "\n")
    uuids = {get_potential(str(tmp_path / "Cu.eam.alloy"), None, None).uuid for _ in range(2)}
    assert len(uuids) == 1
