"""The command `aiida-nanoclusters run lammps-script`, for `verdi run`."""

from aiida_nanoclusters.cli.run.lammps_script import main

if __name__ == "__main__":
    main()
