"""The command `aiida-nanoclusters run parallel-tempering`, for `verdi run`."""

from aiida_nanoclusters.cli.run.parallel_tempering import main

if __name__ == "__main__":
    main()
