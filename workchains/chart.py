"""The command `aiida-nanoclusters run chart`, for `verdi run`."""

from aiida_nanoclusters.cli.run.chart import main

if __name__ == "__main__":
    main()
