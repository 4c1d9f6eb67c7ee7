"""LAMMPS plugin with ``pair_style allegro``: C++ sources (GPL-2.0) and how to build them."""
