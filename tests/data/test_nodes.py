import io

import numpy as np
import pytest
from aiida.common.exceptions import ModificationNotAllowed, ValidationError
from aiida.orm import QueryBuilder
from ase import Atoms
from ase.calculators.emt import EMT

from aiida_nanoclusters.calculations.lammps_job import content_problem
from aiida_nanoclusters.data.frames import FramesData
from aiida_nanoclusters.data.potential import PotentialData
from aiida_nanoclusters.formats.frames_file import read_frames, write_frames
from aiida_nanoclusters.science.frames import Frames


def labelled(energy_zero: float = 0.1) -> Frames:
    atoms = Atoms("Cu3", positions=[[0, 0, 0], [2.4, 0, 0], [1.2, 2.1, 0]])
    atoms.info.update(config_type="trimer", parent="a", seed=3)
    atoms.calc = EMT()
    atoms.get_forces()
    silver = Atoms("Ag2", positions=[[0, 0, 0], [0, 0, 2.6]])
    return Frames.from_atoms(
        [atoms, silver], level_of_theory="EMT", atom_energies={"Cu": energy_zero, "Ag": 0.0}
    )


def test_frames_round_trip_through_a_node(aiida_profile) -> None:
    frames = labelled()
    node = FramesData(frames).store()
    back = node.frames
    for name in ("numbers", "positions", "offsets", "energies", "forces", "parents", "info"):
        left, right = getattr(frames, name), getattr(back, name)
        assert np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
    assert back.atom_energies == frames.atom_energies and back.level_of_theory == "EMT"
    assert len(node) == 2 and node.sizes == [2, 3] and node.elements == ["Ag", "Cu"]
    assert not node.is_labelled
    with pytest.raises(ModificationNotAllowed):
        node.set_frames(frames)


def test_equal_frames_make_equal_hashes(aiida_profile) -> None:
    first, second, other = (FramesData(labelled(z)).store() for z in (0.1, 0.1, 0.2))
    assert first.base.caching.get_hash() == second.base.caching.get_hash()
    assert first.base.caching.get_hash() != other.base.caching.get_hash()


def test_attributes_can_be_queried(aiida_profile_clean) -> None:
    FramesData(labelled()).store()
    query = QueryBuilder().append(
        FramesData,
        filters={"attributes.elements": {"contains": ["Cu"]}, "attributes.n_labelled": 1},
    )
    assert query.count() == 1


def test_empty_nodes_are_not_stored(aiida_profile) -> None:
    with pytest.raises(ValidationError, match="call `set_frames`"):
        FramesData().store()
    with pytest.raises(ValidationError, match="`from_file`, `from_package`, `from_calculator` or"):
        PotentialData().store()


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="not a file of frames"):
        read_frames(io.BytesIO(b"nonsense"))
    pickled = io.BytesIO()
    np.savez(pickled, head=np.array([{"a": 1}], dtype=object))
    pickled.seek(0)
    with pytest.raises(ValueError, match="not a file of frames"):
        read_frames(pickled)


def test_the_file_does_not_depend_on_the_clock() -> None:
    first, second = io.BytesIO(), io.BytesIO()
    write_frames(labelled(), first)
    write_frames(labelled(), second)
    assert first.getvalue() == second.getvalue()


def test_elements_and_cutoff_are_read_from_an_eam_file(aiida_profile, eam_file) -> None:
    node = PotentialData.from_file(eam_file, "eam/alloy", level_of_theory="EAM")
    assert node.elements == ["Cu"]
    assert node.cutoff == pytest.approx(5.50679, abs=1e-4)
    assert node.runs_in_lammps and node.atom_energies == {"Cu": 0.0}
    older = eam_file.with_name("Cu_u3.eam")
    funcfl = PotentialData.from_file(older, "eam", level_of_theory="EAM")
    assert funcfl.elements == ["Cu"]
    for made in (node, funcfl):  # as an archive may say
        assert content_problem(made) is None
        made.base.attributes.set_many({"elements": ["Ag"], "atom_energies": {"Ag": 0.0}})
        assert "of other elements (Cu) than the node says (Ag)" in content_problem(made)


def test_allegro_package_and_compiled(aiida_profile, allegro_package, allegro_compiled) -> None:
    package = PotentialData.from_file(allegro_package, "allegro", level_of_theory="EMT").store()
    compiled = PotentialData.from_file(
        allegro_compiled, "allegro-compiled", level_of_theory="EMT"
    ).store()
    assert package.elements == compiled.elements == ["Cu"]
    assert package.cutoff == compiled.cutoff == pytest.approx(4.5)
    assert not package.runs_in_lammps and compiled.runs_in_lammps
    assert compiled.base.attributes.get("machine")["device"] == "cpu"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("eam", "of the kind `eam/alloy`, not `eam`"),
        ("allegro", "is not the archive of a model"),
        ("tersoff", "choose one of"),
        ("lj/cut", "choose one of"),
    ],
)
def test_wrong_kinds_are_refused(aiida_profile, eam_file, kind, message) -> None:
    with pytest.raises(ValueError, match=message):
        PotentialData.from_file(eam_file, kind, level_of_theory="x")


def test_lennard_jones_needs_positive_numbers(aiida_profile) -> None:
    with pytest.raises(ValueError, match="positive"):
        PotentialData.lennard_jones("Ar", epsilon=-1.0, sigma=3.4, cutoff=9.0)
