"""The command `aiida-nanoclusters run basin-hopping`, for `verdi run`."""

from aiida_nanoclusters.cli.run.basin_hopping import main

if __name__ == "__main__":
    main()
