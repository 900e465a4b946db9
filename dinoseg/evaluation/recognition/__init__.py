"""Protocols that judge a backbone by whole pictures of a labelled folder: k-NN, linear probe, retrieval, copies."""
