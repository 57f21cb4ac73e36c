"""Cross-modal reprogramming: patches in terms of text prototypes."""

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from llm_mde_mm.utils.errors import ConfigError


@MODELS.register_module()
class CrossModalReprogramming(BaseModule):
    """Multi-head attention from patch tokens to text prototypes.

    For each head, ``softmax(Q K^T / sqrt(d)) V`` with Q from the patches and
    K and V from the prototypes (arXiv 2409.01133, and arXiv 2310.01728
    eq. 1); the heads share D, and their outputs are projected to D.

    B pictures, N patches, D_v vision width, D language width, V' prototypes.

    Four things keep what a patch says from being lost on the way. Word
    embeddings are some twenty times smaller than a normalised state, so the
    prototypes are normalised before keys are made of them. Attention over a
    thousand prototypes is nearly uniform at the start, and the mean value,
    the same for every patch, would outweigh what differs: values are centred
    over the prototypes. Training adds one vector to all patches alike: a
    language model that reads mostly that gives each patch the same state
    after some twenty steps of Adam. The outcome is centred over the patches
    of a picture. It takes the place of word embeddings, so its norm layer
    starts at their scale (:meth:`match_scale`).

    Args:
        vision_dims (int): D_v.
        embed_dims (int): D.
        num_heads (int): Heads, a divisor of D.
        dropout (float): Dropout of the heads' outputs in training; of the
            attention weights it would keep three maps of N x V' a head.

    Raises:
        ConfigError: If the heads do not divide D.
    """

    def __init__(
        self,
        vision_dims: int,
        embed_dims: int,
        num_heads: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if num_heads < 1 or embed_dims % num_heads:
            raise ConfigError(
                f'reprogramming.num_heads is {num_heads}, which does not '
                f'divide the language width of {embed_dims}'
            )
        self.num_heads = num_heads
        self.dropout = dropout
        # What is added to every key, value or patch alike changes nothing.
        self.prototype_norm = nn.LayerNorm(embed_dims, bias=False)
        self.query = nn.Linear(vision_dims, embed_dims)
        self.key = nn.Linear(embed_dims, embed_dims, bias=False)
        self.value = nn.Linear(embed_dims, embed_dims, bias=False)
        self.proj = nn.Linear(embed_dims, embed_dims, bias=False)
        # What differs between patches is small where attention is uniform.
        self.norm = nn.LayerNorm(embed_dims, eps=1e-8)
        for layer in (self.query, self.key, self.value, self.proj):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    @torch.no_grad()
    def match_scale(self, word_embeddings: Tensor) -> None:
        """Start the output at the statistics of real word embeddings.

        Args:
            word_embeddings (Tensor): ``(V, D)``.
        """
        self.norm.weight.fill_(word_embeddings.float().std(0).mean())
        self.norm.bias.copy_(word_embeddings.float().mean(0))

    def keys_values(self, prototypes: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values ``(heads, V', d)`` of prototypes ``(V', D)``."""
        source = self.prototype_norm(prototypes)
        value = self.value(source)
        key, value = (
            t.unflatten(-1, (self.num_heads, -1)).transpose(0, 1)
            for t in (self.key(source), value - value.mean(0))
        )
        return key, value

    def forward(
        self, patches: Tensor, keys_values: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Write patches in the language model's vocabulary.

        Args:
            patches (Tensor): ``(B, N, D_v)``.
            keys_values (tuple[Tensor, Tensor]): From :meth:`keys_values`.

        Returns:
            Tensor: ``(B, N, D)``, to stand where word embeddings would.
        """
        batch, length, _ = patches.shape
        query = (
            self.query(patches)
            .unflatten(-1, (self.num_heads, -1))
            .transpose(1, 2)
        )
        key, value = (t.expand(batch, -1, -1, -1) for t in keys_values)
        mixed = F.scaled_dot_product_attention(query, key, value)
        mixed = mixed.transpose(1, 2).reshape(batch, length, -1)
        mixed = F.dropout(mixed, self.dropout, self.training)
        mixed = self.proj(mixed)
        return self.norm(mixed - mixed.mean(1, keepdim=True))
