"""What runs have in common that may be killed and started again: whose a place is (``identity``), what was done so far
(``journal``, ``done``), how far it is (``progress``), how it ended (``summary``)."""
