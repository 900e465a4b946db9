import numpy as np

from dinoseg.draw.colours import object_colours
from dinoseg.grouping.clusters import Clusters
from dinoseg.grouping.summary import EXAMPLES, Example, summarise


def test_groups_are_told_with_their_nearest_regions_one_a_photograph():
    labels = np.array([1, 1, 2, 1])
    distances = np.array([0.5, 0.25, 0.1, 0.4], np.float32)
    first, second = summarise(Clusters(labels, distances, (0.3, None)), ["a.jpg", "none.jpg", "b.jpg"], [2, 0, 2])
    assert (first.label, first.regions, first.photographs, first.score) == (1, 3, 2, 0.3)
    assert first.examples == (Example("a.jpg", 2, 0.25), Example("b.jpg", 2, 0.4))
    assert second.examples == (Example("b.jpg", 1, 0.1),)
    assert first.colour == "#{:02x}{:02x}{:02x}".format(*object_colours(2)[0])


def test_examples_are_few():
    many = Clusters(np.ones(50, np.int64), np.linspace(1, 0, 50, dtype=np.float32), (None,))
    (group,) = summarise(many, [f"{index}.jpg" for index in range(50)], [1] * 50)
    assert [example.id for example in group.examples] == [f"{49 - index}.jpg" for index in range(EXAMPLES)]
