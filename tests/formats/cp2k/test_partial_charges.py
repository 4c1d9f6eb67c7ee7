"""Tables of partial charges as CP2K 2023.1 prints them."""

import numpy as np

from aiida_nanoclusters.formats.cp2k.output import read_output
from aiida_nanoclusters.formats.cp2k.partial_charges import print_sections
from aiida_nanoclusters.science.labels.settings import Cp2kSettings
from aiida_nanoclusters.workflows.parts.protocol import load_protocol

ENERGY = " ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:               -8.982830117\n"
#: A methanol molecule, not spin-polarised.
PLAIN = """\
 !-----------------------------------------------------------------------------!
                     Mulliken Population Analysis

 #  Atom  Element  Kind  Atomic population                           Net charge
       1     C        1          4.185797                             -0.185797
       2     O        2          6.212585                             -0.212585
       3     H        3          0.601618                              0.398382
 # Total charge                             14.000000                 -0.000000

 !-----------------------------------------------------------------------------!
                           Hirshfeld Charges

  #Atom  Element  Kind  Ref Charge     Population                    Net charge
      1       C      1       4.000          4.059                        -0.059
      2       O      2       6.000          6.228                        -0.228
      3       H      3       1.000          0.713                         0.287

  Total Charge                                                           -0.000
 !-----------------------------------------------------------------------------!
"""
#: OH, spin-polarised.
POLARISED = """\
                     Mulliken Population Analysis

 #  Atom  Element  Kind  Atomic population (alpha,beta) Net charge  Spin moment
       1     O        1         3.577004     2.564207    -0.141211     1.012797
       2     H        2         0.422996     0.435793     0.141211    -0.012797
 # Total charge and spin        4.000000     3.000000     0.000000     1.000000

                           Hirshfeld Charges

  #Atom  Element  Kind  Ref Charge     Population       Spin moment  Net charge
      1       O      1       6.000    3.561   2.607            0.954     -0.168
      2       H      2       1.000    0.439   0.393            0.046      0.168

  Total Charge                                                            0.000
"""
#: GFN1-xTB, atoms by their elements.
TIGHT_BINDING = """\
 MULLIKEN POPULATION ANALYSIS

  # Atom   Element   Kind        Atomic population                    Net charge
       1     C          1                 3.787885                      0.212115
       4     C          1                 3.825084                      0.174916
       2     H          2                 1.193585                     -0.193585
       3     O          3                 6.193446                     -0.193446
 # Total charge                          15.000000                      0.000000
"""


def charges(text: str) -> list[dict]:
    return [dict(step.charges) for step in read_output(text.splitlines(keepends=True)).steps]


def test_each_step_has_its_own_charges():
    first, second, third = charges(PLAIN + ENERGY + ENERGY + POLARISED + ENERGY)
    assert first["mulliken"].tolist() == [-0.185797, -0.212585, 0.398382]
    assert first["hirshfeld"].tolist() == [-0.059, -0.228, 0.287]
    assert second == {}
    assert third["mulliken"].tolist() == [-0.141211, 0.141211]
    assert third["hirshfeld"].tolist() == [-0.168, 0.168]


def test_tight_binding_is_brought_into_order():
    (found,) = charges(TIGHT_BINDING + ENERGY)
    assert found["mulliken"].tolist() == [0.212115, -0.193585, -0.193446, 0.174916]


def test_tables_that_are_not_complete():
    cut = PLAIN[: PLAIN.index(" # Total charge")]
    assert charges(cut + ENERGY) == [{}]
    missing = TIGHT_BINDING.replace("       2     H", "       7     H")
    assert charges(missing + ENERGY) == [{}]
    (stars,) = charges(PLAIN.replace("-0.212585", "*********") + ENERGY)
    assert np.isnan(stars["mulliken"][1])


def test_what_is_asked_for():
    sections = print_sections(["mulliken", "hirshfeld"])
    assert sorted(sections) == ["HIRSHFELD", "MULLIKEN"]
    assert sections["HIRSHFELD"]["SHAPE_FUNCTION"] == "DENSITY"
    settings = load_protocol("cp2k", "gfn1-xtb")
    assert settings["partial_charges"] == []
    assert "no density on a grid" in Cp2kSettings.problem(
        {**settings, "partial_charges": ["hirshfeld"]}
    )
    assert Cp2kSettings.problem({**settings, "partial_charges": ["mulliken"]}) is None
    assert "partial_charges" in Cp2kSettings.problem({**settings, "partial_charges": ["ddec6"]})
