"""Text prototypes: the vocabulary, condensed (METHOD of arXiv 2409.01133).

The idea is Time-LLM's (arXiv 2310.01728, section 3.1).
"""

import torch
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from llm_mde_mm.utils.errors import ConfigError


@MODELS.register_module()
class TextPrototypes(BaseModule):
    """``E' = W E``: V' trained mixtures of the V word embeddings.

    Args:
        vocab_size (int): V, rows of the word-embedding table.
        num_prototypes (int): V', far fewer than V.
        prototype_rank (int | None): None trains the full ``(V', V)`` mapping;
            a rank r trains ``(V', r)`` and ``(r, V)`` in its place.

    Raises:
        ConfigError: If a size is not positive.
    """

    def __init__(
        self,
        vocab_size: int,
        num_prototypes: int = 1000,
        prototype_rank: int | None = None,
    ) -> None:
        super().__init__()
        rank = prototype_rank
        for name, value in (
            ('vocab_size', vocab_size),
            ('num_prototypes', num_prototypes),
            ('prototype_rank', 1 if rank is None else rank),
        ):
            if value < 1:
                raise ConfigError(
                    f'prototypes.{name} is {value}: give at least 1'
                )
        self.num_prototypes = num_prototypes
        # W is kept at unit variance and scaled by V^-0.5 in use, which keeps
        # E' at the scale of E. A step of Adam has the same length in every
        # entry: taken on entries of size V^-0.5, the V of them that make one
        # prototype would together throw it about by half its length.
        rows = num_prototypes if rank is None else rank
        self.mapping = nn.Parameter(torch.randn(rows, vocab_size))
        self.mixing: nn.Parameter | None = None
        self.scale = vocab_size**-0.5
        if rank is not None:
            self.mixing = nn.Parameter(torch.randn(num_prototypes, rank))
            self.scale *= rank**-0.5

    def forward(self, word_embeddings: Tensor) -> Tensor:
        """Mix word embeddings ``(V, D)`` into prototypes ``(V', D)``."""
        mixed = self.mapping @ word_embeddings
        if self.mixing is not None:
            mixed = self.mixing @ mixed
        return mixed * self.scale
