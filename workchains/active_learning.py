"""The command `aiida-nanoclusters run active-learning`, for `verdi run`."""

from aiida_nanoclusters.cli.run.active_learning import main

if __name__ == "__main__":
    main()
