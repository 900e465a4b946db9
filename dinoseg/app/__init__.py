"""A page in the browser, of this machine and for it alone: what the network sees in a photograph, at a click."""
