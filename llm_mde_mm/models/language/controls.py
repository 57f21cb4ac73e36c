"""What stands in the language model's place, to see whether it helps.

The three are those of arXiv 2406.16964, which found that time-series models
lose little when their language model is taken out.
"""

from types import SimpleNamespace
from typing import Any

from timm.layers import Mlp
from torch import Tensor, nn
from torch.nn import functional as F

from llm_mde_mm.utils.errors import ConfigError

CONTROLS = ('identity', 'random', 'attention')


class IdentityModel(nn.Module):
    """No language model: the embeddings are the states.

    Args:
        embedding (nn.Embedding): Word embeddings, kept for prompt and
            prototypes.
        config (transformers.PretrainedConfig): The language model's.
    """

    def __init__(self, embedding: nn.Embedding, config: Any) -> None:
        super().__init__()
        self.embedding = embedding
        self.config = config

    def get_input_embeddings(self) -> nn.Embedding:
        """The word embeddings, as transformers calls them."""
        return self.embedding

    def forward(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
    ) -> SimpleNamespace:
        """Run on embeddings ``(B, L, D)``.

        Args:
            inputs_embeds (Tensor): ``(B, L, D)``.
            attention_mask (Tensor | None): ``(B, 1, L, L)`` to add to the
                scores.
            position_ids (Tensor | None): Not read; the patches know their
                place from the vision model.

        Returns:
            SimpleNamespace: ``last_hidden_state`` ``(B, L, D)``.
        """
        return SimpleNamespace(
            last_hidden_state=self.states(inputs_embeds, attention_mask)
        )

    def states(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """States ``(B, L, D)`` of embeddings ``(B, L, D)``."""
        return x


class AttentionModel(IdentityModel):
    """One transformer block of the language model's width, not pretrained.

    Args:
        embedding (nn.Embedding): Word embeddings.
        config (transformers.PretrainedConfig): The language model's.

    Raises:
        ConfigError: If its heads do not divide the width of the embeddings.
    """

    def __init__(self, embedding: nn.Embedding, config: Any) -> None:
        super().__init__(embedding, config)
        width = embedding.embedding_dim
        self.num_heads: int = config.num_attention_heads
        if width % self.num_heads:
            raise ConfigError(
                f"control='attention' has the {self.num_heads} heads of the "
                "language model, which do not divide its word embeddings' "
                f'width of {width}: choose another model or control'
            )
        # Embeddings are far smaller than states: normalise them first.
        self.norm0 = nn.LayerNorm(width)
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)

    def states(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """States ``(B, L, D)`` of embeddings ``(B, L, D)``."""
        x = self.norm0(x)
        query, key, value = (
            t.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for t in self.qkv(self.norm1(x)).chunk(3, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask
        )
        x = x + self.proj(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))
