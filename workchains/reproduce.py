"""Does a recorded run come out the same again?

verdi run workchains/reproduce.py UUID --code lammps@hpc=lammps@localhost
"""

from aiida_nanoclusters.cli.reproduce.command import reproduce

if __name__ == "__main__":
    reproduce()
