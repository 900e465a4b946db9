"""What features know about whole pictures: neighbours, a linear probe, rankings. Labels are names of folders.

Training watches itself with this room, ``evaluation`` makes reports with it.
"""
