"""What the tests of this room share."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def quick():
    """Waiting for the disk takes most of the time of these tests and changes nothing that they could see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield
