"""The command `aiida-nanoclusters run lowest-structures`, for `verdi run`."""

from aiida_nanoclusters.cli.run.lowest_structures import main

if __name__ == "__main__":
    main()
