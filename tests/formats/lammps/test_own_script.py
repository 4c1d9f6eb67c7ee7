"""What is read of an input of LAMMPS of someone else, without running it."""

from aiida_nanoclusters.formats.lammps.own_script import read_own_script


def read(**texts: str):
    return read_own_script("main", texts.get)


def test_units_and_boundaries_of_all_files() -> None:
    """Comments do not count, continued lines do, included files are read in their place."""
    found = read(
        main="# units real\n  units &\n metal # or lj\ninclude ./a\nboundary p p f\n",
        a="boundary s s s\ninclude 'b'\ninclude potential.lmp\n",
        b="units lj",
    )
    assert found.units == ["metal", "lj"] and found.boundaries == ["s s s", "p p f"]
    assert found.included == ["a", "b", "potential.lmp"] and found.unseen == ["potential.lmp"]
    assert not found.elsewhere


def test_what_cannot_be_looked_into() -> None:
    found = read(main="include ${x}\nread_restart old.*\njump SELF top\njump next\nunits\n")
    assert found.unseen == ["${x}"] and found.elsewhere == ["read_restart old.*", "jump next"]
    assert found.units == [] and found.boundaries == []


def test_files_that_include_each_other_end() -> None:
    found = read(main="include a", a="units metal\ninclude main")
    assert set(found.units) == {"metal"} and len(found.units) < 30
    assert read().included == []
