"""Numbers from arrays: pure functions that know of no protocol, no data set and no file."""
