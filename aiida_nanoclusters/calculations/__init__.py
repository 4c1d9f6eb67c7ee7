"""CalcJobs, and calcfunctions that wrap science."""

# For its effect on workers, all of which import this package with any process of it.
from aiida_nanoclusters.calculations import lost_servers as lost_servers
