from types import SimpleNamespace

from aiida_nanoclusters.cli.report.searches import found_sentence, magic_of_source
from aiida_nanoclusters.cli.report.tables import _search_rows
from aiida_nanoclusters.science.sampling.searches import Found


def part(*found):
    return SimpleNamespace(searches=found)


def found(size, energy, source="motif", **energies):
    return Found(size, energy, source, 2, 1 / 3, {source: energy, **energies})


def test_what_annealing_alone_would_have_said():
    scan = part(
        found(37, -10.0, "surface", motif=-9.9, annealing=-10.0),
        found(38, -13.0, motif=-13.0, annealing=-11.5, surface=-13.0),
        found(39, -13.5, annealing=-13.5, surface=-13.5),
    )
    text = found_sentence(scan)
    assert "found first by: motif (2), surface (1)." in text
    assert "above the lowest at 1 of 3 sizes, by up to 1.50 eV (N = 38)" in text
    assert "a motif that was built" not in text
    assert [row[-2:] for row in _search_rows(scan)][:2] == [(0.09999999999999964, 0.0), (0.0, 1.5)]


def test_magic_sizes_of_one_source():
    energies = {37: -10.0, 38: -11.0, 39: -12.5, 40: -13.0, 41: -14.0}
    searched = [found(n, -15.0, annealing=energy) for n, energy in energies.items()]
    assert magic_of_source(searched, "annealing") == [39]
    assert magic_of_source(searched, "shake") == []


def test_a_motif_that_nothing_else_reaches_is_named():
    text = found_sentence(part(found(38, -13.0, surface=-12.0)))
    assert "At 38 atoms a motif that was built is lower than all that was searched" in text
    assert "Annealing" not in text


def test_annealing_that_found_all_and_scans_without_a_search():
    assert "would have found all" in found_sentence(part(found(13, -5.0, annealing=-5.0)))
    assert found_sentence(part()) == ""
