"""A trajectory whose answer is known: three dimers become one octahedron, others do not."""

import numpy as np
from ase import Atoms

EDGE = 2.97
CORNERS = EDGE / np.sqrt(2) * np.concatenate([np.eye(3), -np.eye(3)])


def dimer(centre, along):
    """Two silver atoms, their ligands' sulphur and nitrogen between them."""
    along = np.array(along, float) / np.linalg.norm(along)
    across = np.cross(along, [0.3, 0.5, 0.8])
    across /= np.linalg.norm(across)
    half = 0.5 * EDGE * along
    places = [half, -half, 2.0 * across + 0.3 * half, -2.0 * across - 0.3 * half]
    return Atoms("Ag2SN", positions=np.array(places) + centre)


def box(dimers):
    atoms = Atoms(cell=[50, 50, 50], pbc=True)
    for one in dimers:
        atoms += one
    return atoms


HOMES = [(5, 5, 5), (25, 5, 5), (5, 25, 5), (25, 25, 25), (45, 45, 45), (5, 45, 25)]


def known_frames():
    """Dimers 0 and 1 meet in frame 10, dimer 2 joins in frame 20; 3 and 4 touch for one frame."""
    frames = []
    for number in range(40):
        atoms = box([dimer(home, (1, 0.2, 0.1)) for home in HOMES])
        silver = [4 * d + k for d in range(3) for k in range(2)]
        centre = np.array([49.5, 5, 5])  # across the boundary
        if number >= 10:
            atoms.positions[silver[:4]] = centre + CORNERS[[0, 1, 3, 4]]
        if number >= 20:
            atoms.positions[silver[4:]] = centre + CORNERS[[2, 5]]
        if number == 30:
            atoms.positions[16:20] += atoms.positions[12] + [0, 0, 3.0] - atoms.positions[16]
        atoms.wrap()
        frames.append(atoms)
    return frames
