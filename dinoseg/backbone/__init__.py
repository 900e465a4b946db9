"""Networks: the table of what can be loaded, safe reading of weights, one pass to features."""
