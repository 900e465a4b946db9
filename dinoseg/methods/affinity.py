"""What stands in for CLS attention where a network has none."""

from __future__ import annotations

from array_api_compat import array_namespace

from dinoseg.backbone.features import Array, Features


def attention_or_affinity(features: Features) -> Array:
    """CLS attention ``(B, heads, gh, gw)``; of a network without it the mean affinity of its cells, ``(B, 1, gh, gw)``.

    The mean affinity of cell i of N is ``max(0, mean_j <f_i, f_j>)`` with tokens f as the network gives them, which is
    the product of a cell with the pooled map, as attention is one of a patch with CLS. Behind a ReLU it is high where
    many channels respond at once, which is where the object is (Wei et al. 2017, SCDA).
    """
    if features.attention is not None:
        return features.attention
    token = features.facets["token"]  # (B, gh, gw, d)
    xp = array_namespace(token)
    affinity = xp.sum(token * xp.mean(token, axis=(1, 2), keepdims=True), axis=-1)  # (B, gh, gw)
    return xp.clip(affinity, min=0)[:, None]
