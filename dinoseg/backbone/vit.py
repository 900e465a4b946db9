"""One pass through a Vision Transformer: images in, ``Features`` out.

The network is timm's class; what is ours is the position table (each family resizes it in its own way) and the
last block, of which only what was asked for is computed: the CLS row of its attention costs one query.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers.pos_embed_sincos import apply_rot_embed_cat
from torch import Tensor, nn

from dinoseg.backbone.base import Backbone
from dinoseg.backbone.features import FACETS, Features


class VisionTransformer(Backbone):
    """A DINO Vision Transformer with its own rule for positions.

    Beside what every ``Backbone`` has, ``tokens`` is the plain differentiable network, and single blocks and layers can
    be asked for, as compression and ``attend`` do. Sides of images are multiples of ``spec.patch``.
    """

    attribute = "vit"
    vit: Any
    """timm's ``VisionTransformer`` or ``Eva``."""

    def embed(self, images: Tensor, positions: Sequence[Tensor] = ()) -> tuple[Tensor, Tensor | None]:
        """Tokens that enter the first block, ``(B, prefix + N, d)``, and the rotary table where the family has one.

        ``positions``: where the patches lie, computed elsewhere (``backbone.positions``): the rotary table, or the two
        matrices that resize the table of positions.
        """
        vit, patch = self.vit, self.spec.patch
        height, width = images.shape[-2:]
        if height % patch or width % patch or not height or not width:
            raise ValueError(f"image of {height}x{width} px does not lie on the grid of {patch} px patches")
        grid = (height // patch, width // patch)
        patches = vit.patch_embed.proj(images).flatten(2).transpose(1, 2)  # (B, N, d)
        prefix = [vit.cls_token.expand(images.shape[0], -1, -1)]
        if self.spec.positions != "rope":
            table = (
                resized_by(vit.pos_embed, *positions)
                if positions
                else resize_positions(vit.pos_embed, grid, self.spec.positions)
            )
            prefix[0] = prefix[0] + table[:, :1]
            patches = patches + table[:, 1:]
        if self.spec.registers:
            prefix.append(vit.reg_token.expand(images.shape[0], -1, -1))
        rope = None
        if self.spec.positions == "rope":
            rope = positions[0] if positions else vit.rope.get_embed(shape=grid)
        return torch.cat([*prefix, patches], dim=1), rope

    def block(self, index: int, x: Tensor, rope: Tensor | None) -> Tensor:
        """One whole block, ``(B, T, d)`` -> ``(B, T, d)``."""
        block = self.vit.blocks[index]
        return block(x) if rope is None else block(x, rope=rope)

    def attention_branch(self, index: int, x: Tensor, rope: Tensor | None) -> Tensor:
        """The first half of a block, ``(B, T, d)`` -> ``(B, T, d)``."""
        block = self.vit.blocks[index]
        normed = block.norm1(x)
        return x + layer_scale(block, 1, block.attn(normed) if rope is None else block.attn(normed, rope=rope))

    def mlp_branch(self, index: int, x: Tensor) -> Tensor:
        """The second half of a block, ``(B, T, d)`` -> ``(B, T, d)``."""
        block = self.vit.blocks[index]
        return x + layer_scale(block, 2, block.mlp(block.norm2(x)))

    def tokens(self, images: Tensor) -> Tensor:
        """All tokens after the final norm, ``(B, prefix + N, d)``; row 0 is CLS. Differentiable."""
        x, rope = self.embed(images)
        for index in range(self.spec.depth):
            x = self.block(index, x, rope)
        return self.vit.norm(x)

    def embedding(self, images: Tensor) -> Tensor:
        """The CLS token after the final norm, ``(B, d)``."""
        return self.tokens(images)[:, 0]

    def forward(
        self, images: Tensor, facets: Collection[str] = (), cls: bool = False, layer: int | None = None
    ) -> Features:
        """CLS attention of layer ``layer`` (1..depth, default the last), and only those facets (of ``FACETS``) that
        were asked for; tokens of any layer pass the final norm."""
        index = (layer or self.spec.depth) - 1
        x, rope = self.embed(images)
        for before in range(index):
            x = self.block(before, x, rope)
        grid = (images.shape[-2] // self.spec.patch, images.shape[-1] // self.spec.patch)
        return LastBlock(self, x, rope, grid, index).features(facets, cls)

    def attention_inputs(self, images: Tensor, layer: int) -> tuple[Tensor, Tensor]:
        """Queries and keys ``(B, heads, T, c)`` as layer ``layer`` (1..depth) multiplies them, RoPE included."""
        x, rope = self.embed(images)
        for index in range(layer - 1):
            x = self.block(index, x, rope)
        query, key, _ = self.qkv(layer - 1, self.vit.blocks[layer - 1].norm1(x), "qk")
        return self.rotate(layer - 1, query, rope), self.rotate(layer - 1, key, rope)

    def all_attention_inputs(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        """``attention_inputs`` of every layer in one pass."""
        x, rope = self.embed(images)
        layers = []
        for index in range(self.spec.depth):
            query, key, _ = self.qkv(index, self.vit.blocks[index].norm1(x), "qk")
            layers.append((self.rotate(index, query, rope), self.rotate(index, key, rope)))
            x = self.block(index, x, rope)
        return layers

    def qkv(self, index: int, x: Tensor, parts: str) -> tuple[Tensor, Tensor, Tensor]:
        """The named parts (``q``, ``k``, ``v``) of block ``index`` for normed tokens ``x``, each ``(B, heads, T, c)``.

        Parts that were not named are empty tensors. The weight is laid out q, k, v, heads contiguous in each.
        """
        attn, width = self.vit.blocks[index].attn, self.spec.width
        bias = qkv_bias(attn)

        def part(number: int, letter: str) -> Tensor:
            if letter not in parts:
                return x.new_empty(0)
            rows = slice(number * width, (number + 1) * width)
            y = F.linear(x, attn.qkv.weight[rows], None if bias is None else bias[rows])  # (B, T, d)
            return y.unflatten(-1, (self.spec.heads, -1)).transpose(1, 2)  # (B, heads, T, c)

        return part(0, "q"), part(1, "k"), part(2, "v")

    def rotate(self, index: int, x: Tensor, rope: Tensor | None) -> Tensor:
        """RoPE on the patch rows of ``(B, heads, T, c)``; prefix tokens stay as they are."""
        if rope is None:
            return x
        half = getattr(self.vit.blocks[index].attn, "rotate_half", False)
        prefix, patches = x[:, :, : self.spec.prefix], x[:, :, self.spec.prefix :]
        return torch.cat([prefix, apply_rot_embed_cat(patches, rope, half=half).type_as(x)], dim=2)


class LastBlock:
    """The last block that runs, computed as far as it is needed: block ``index`` from 0 (default: the last of all)."""

    def __init__(
        self, backbone: VisionTransformer, x: Tensor, rope: Tensor | None, grid: tuple[int, int], index: int = -1
    ) -> None:
        self.backbone, self.x, self.rope, self.grid = backbone, x, rope, grid
        self.index = index % backbone.spec.depth
        self.block = backbone.vit.blocks[self.index]
        self.normed = self.block.norm1(x)  # (B, T, d)

    def features(self, facets: Collection[str], cls: bool) -> Features:
        """See ``Backbone.forward``."""
        unknown = set(facets) - set(FACETS)
        if unknown:
            raise ValueError(f"unknown facet {sorted(unknown)}; there are {', '.join(FACETS)}")
        backbone, spec = self.backbone, self.backbone.spec
        whole = "token" in facets
        parts = "k" + ("v" if whole or cls or "value" in facets else "") + ("q" if whole or "query" in facets else "")
        query, key, value = backbone.qkv(self.index, self.normed, parts)
        cls_query = query[:, :, :1] if query.numel() else backbone.qkv(self.index, self.normed[:, :1], "q")[0]
        row = attention_rows(cls_query, backbone.rotate(self.index, key, self.rope))  # (B, heads, 1, T)
        found = {
            name: self.on_grid(part.transpose(1, 2).flatten(2))
            for name, part in (("query", query), ("key", key), ("value", value))
            if name in facets
        }
        cls_token = None
        if whole:
            tokens = self.finish(query, key, value)
            found["token"] = self.on_grid(tokens)
            cls_token = tokens[:, 0] if cls else None
        elif cls:
            cls_token = self.after_attention(self.x[:, :1], row @ value)[:, 0]
        attention = row[:, :, 0, spec.prefix :].unflatten(-1, self.grid)  # (B, heads, gh, gw)
        return Features(attention, spec.family, spec.patch, found, cls_token)

    def on_grid(self, tokens: Tensor) -> Tensor:
        """``(B, T, d)`` -> its patch rows, ``(B, gh, gw, d)``."""
        return tokens[:, self.backbone.spec.prefix :].unflatten(1, self.grid)

    def finish(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """All tokens after the final norm, from the projections at hand."""
        rotate = self.backbone.rotate
        mixed = F.scaled_dot_product_attention(
            rotate(self.index, query, self.rope), rotate(self.index, key, self.rope), value
        )
        return self.after_attention(self.x, mixed)

    def after_attention(self, x: Tensor, mixed: Tensor) -> Tensor:
        """Rest of the block and final norm for rows ``x`` ``(B, t, d)`` with attended values ``(B, heads, t, c)``."""
        attn = self.block.attn
        x = x + layer_scale(self.block, 1, attn.proj(attn.norm(mixed.transpose(1, 2).flatten(2))))
        return self.backbone.vit.norm(self.backbone.mlp_branch(self.index, x))


def attention_rows(query: Tensor, key: Tensor) -> Tensor:
    """Softmax rows of the given queries, ``(B, heads, t, c) x (B, heads, T, c) -> (B, heads, t, T)``."""
    return (query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5).softmax(dim=-1)


def layer_scale(block: nn.Module, branch: int, x: Tensor) -> Tensor:
    """``x`` ``(B, t, d)`` times LayerScale of attention (1) or MLP (2), if the network has one."""
    gamma = gamma_of(block, branch)
    return x if gamma is None else x * gamma


def gamma_of(block: Any, branch: int) -> Tensor | None:
    """The LayerScale ``(d,)`` of attention (1) or MLP (2), under either of timm's two spellings."""
    gamma = getattr(block, f"gamma_{branch}", None)
    return gamma if gamma is not None else getattr(getattr(block, f"ls{branch}", None), "gamma", None)


def qkv_bias(attn: Any) -> Tensor | None:
    """Bias of the joint projection ``(3d,)``; DINOv3 keeps q and v biases apart and has no key bias."""
    if getattr(attn, "q_bias", None) is not None:
        return torch.cat((attn.q_bias, attn.k_bias, attn.v_bias))
    return attn.qkv.bias


def resize_positions(table: Tensor, grid: tuple[int, int], rule: str) -> Tensor:
    """Position table ``(1, 1 + n * n, d)`` for another grid, ``(1, 1 + gh * gw, d)``; the CLS entry stays.

    ``offset``: DINO v1 and DINOv2 without registers (bicubic, no antialias, sampled at the *factor* (grid + 0.1) / n).
    ``antialias``: DINOv2 with registers, and timm (antialiased bicubic to the plain size).
    """
    cls, patches = table[:, :1], table[:, 1:]
    side = math.isqrt(patches.shape[1])
    if grid == (side, side):
        return table
    square = patches.unflatten(1, (side, side)).permute(0, 3, 1, 2)  # (1, d, n, n)
    try:
        resized = resize_square(square, grid, rule)
    except NotImplementedError:  # MPS has no antialiased bicubic; the table is small
        resized = resize_square(square.cpu(), grid, rule).to(square.device)
    return torch.cat([cls, resized.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


def resized_by(table: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The same by matrices ``(gh, n)`` and ``(gw, n)``, which say what each new entry takes of the old ones."""
    cls, patches = table[:, :1], table[:, 1:]
    square = patches.unflatten(1, (rows.shape[1], columns.shape[1]))  # (1, n, n, d)
    resized = torch.einsum("hr,wc,brcd->bhwd", rows, columns, square)
    return torch.cat([cls, resized.flatten(1, 2)], dim=1)


def resize_square(square: Tensor, grid: tuple[int, int], rule: str) -> Tensor:
    """A square table ``(1, d, n, n)`` for another grid, ``(1, d, gh, gw)``."""
    if rule == "offset":
        factor = [(length + 0.1) / square.shape[-1] for length in grid]
        return F.interpolate(square, scale_factor=factor, mode="bicubic", align_corners=False)
    return F.interpolate(square, size=grid, mode="bicubic", align_corners=False, antialias=True)
