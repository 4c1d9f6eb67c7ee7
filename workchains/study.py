"""The command `aiida-nanoclusters run study`, for `verdi run`."""

from aiida_nanoclusters.cli.run.study import main

if __name__ == "__main__":
    main()
