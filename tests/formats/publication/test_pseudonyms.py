import json
import re

from ase import Atoms

from aiida_nanoclusters.formats.publication.pseudonyms import Names, Pseudonyms
from aiida_nanoclusters.science.frames import Frames

NAMES = Names(
    emails={"ada@uni-x.edu"},
    people={"Ada Lovelace"},
    accounts={"alovelace", "root"},
    hosts={"login7.uni-x.edu", "localhost"},
    computers={"bigiron", "cluster"},
    programs={"/home/alovelace/bin/lmp_ada", "/usr/bin/python3"},
    folders={"/home/alovelace", "/scratch/proj 42/{username}"},
)


def test_texts() -> None:
    p = Pseudonyms(NAMES)
    text = (
        "#!/bin/bash\ncd /scratch/proj42/run-1\n'/home/alovelace/bin/lmp_ada' -in x\n"
        "ssh alovelace@login7.uni-x.edu; mail ada@uni-x.edu  # Ada Lovelace on bigiron\n"
        "-L/home/alovelace/lib file:///data/x/y PATH=/opt/mine/bin:/usr/local/mine/bin\n"
        "/scratch/proj 42/{username}/a  /home/someone/else\n"
    )
    new = p.text(text)
    for gone in (
        "lovelace",
        "ada",
        "Ada",
        "uni-x",
        "bigiron",
        "proj",
        "mine",
        "someone",
        "/data/x",
    ):
        assert gone not in new, (gone, new)
    assert "#!/bin/bash" in new and "/anonymous/program-1" in new
    assert p.text(text) == new == Pseudonyms(NAMES).text(text)
    assert p.text(new) == new


def test_data_stay() -> None:
    p = Pseudonyms(NAMES)
    for text in (
        "forces in eV/Å, energies in meV/atom", "cluster", "https://docs.lammps.org/a/b.html",
        "root mean square", "1/2/3", "a/b/c", "PBE/450 eV/x", "adaptive", "~/x/y",
        "repeated in CrossoverWorkChain", "/bin/bash", "/dev/null",
    ):  # fmt: skip
        assert p.text(text) == text
    assert p.value({"a": [1, 2.5, None, True, "x"]}) == {"a": [1, 2.5, None, True, "x"]}


def test_equal_names_have_equal_pseudonyms() -> None:
    p = Pseudonyms(NAMES)
    found = p.value({"a": ["/data/one/x", "/data/two/x"], "b": "at /data/one/x"})
    assert found["b"] == f"at {found['a'][0]}" and found["a"][0] != found["a"][1]
    assert p.name("computer", "cluster").startswith("computer-")  # where it is surely a name
    assert p.name("computer", "localhost") == "localhost"


def test_frames() -> None:
    atoms = Atoms("Cu", info={"parent": "/home/alovelace/r/OUTCAR", "source": "/home/alovelace/r"})
    (new,) = Pseudonyms(NAMES).frames(Frames.from_atoms([atoms]))
    assert "lovelace" not in json.dumps(new.info) and new.info["parent"].startswith("/anonymous/")


def test_pattern_for_files_that_are_no_text() -> None:
    pattern = Pseudonyms(NAMES).pattern()
    assert isinstance(pattern, re.Pattern)
    for text in (b"\x01alovelace\x02", b"/home/x", b"ada@uni-x.edu", b"login7.uni-x.edu"):
        assert pattern.search(b"\xff" + text)
    assert not pattern.search(b"cluster root /homework/ nothing")
