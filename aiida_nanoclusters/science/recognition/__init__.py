"""What a structure is: neighbours, coordination, point group, SOAP."""
