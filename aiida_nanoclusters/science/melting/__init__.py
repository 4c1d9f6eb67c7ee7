"""How a cluster melts: caloric curve, Lindemann index."""
