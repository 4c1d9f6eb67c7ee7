"""The command `aiida-nanoclusters run crossover`, for `verdi run`."""

from aiida_nanoclusters.cli.run.crossover import main

if __name__ == "__main__":
    main()
