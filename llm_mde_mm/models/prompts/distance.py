"""How far a picture's content is: seven words, and a classifier of them."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from llm_mde_mm.models.losses.depth_loss import mean_over_pictures
from llm_mde_mm.models.losses.functional import valid_depth
from llm_mde_mm.models.normalisation import ExactBuffersMixin
from llm_mde_mm.utils.errors import ConfigError

# DepthCLIP's seven words (arXiv 2207.01077), nearest first.
DISTANCE_WORDS = (
    'giant',
    'extremely close',
    'close',
    'not in distance',
    'a little remote',
    'far',
    'unseen',
)
# Metres; midway between the depths that DepthCLIP gives its words: 1, 1.5, 2,
# 2.25, 2.5, 2.75 and 3.
DISTANCE_EDGES = (1.25, 1.75, 2.125, 2.375, 2.625, 2.875)


def median_depth(depth: Tensor) -> tuple[Tensor, Tensor]:
    """Lower median of each picture's measurements.

    Args:
        depth (Tensor): ``(B, 1, H, W)`` in metres, 0 = none.

    Returns:
        tuple[Tensor, Tensor]: ``(B,)`` in metres, infinite without a
        measurement, and ``(B,)`` bool, whether there is one.
    """
    # torch.median has no deterministic kernel on CUDA; sorting has one.
    depth = depth.flatten(1)
    valid = valid_depth(depth)
    count = valid.sum(1, keepdim=True)
    ordered = torch.where(valid, depth, math.inf).sort(1).values
    middle = ordered.gather(1, (count - 1).clamp(min=0) // 2)
    return middle.squeeze(1), count.squeeze(1) > 0


def mix(logits: Tensor, vectors: Tensor) -> Tensor:
    """Vectors ``(7, D)`` weighted by the softmax of logits ``(B, 7)``.

    Returns:
        Tensor: ``(B, D)``, float32.
    """
    share = logits.float().softmax(1)
    # Not a matrix product, which autocast would round.
    return (share[:, :, None] * vectors.float()).sum(1)


class DistanceClassifier(ExactBuffersMixin, nn.Module):
    """Scores of the seven distance words from a picture's visual tokens.

    B pictures, N patches, D_v vision width.

    Args:
        vision_dims (int | None): D_v.
        edges (Sequence[float]): Six rising depths in metres between the
            words; for the loss only.
        loss_weight (float): The loss is multiplied by this.

    Raises:
        ConfigError: If there is no width, the edges are not six rising
            positive depths, or the weight is negative.
    """

    exact_buffers = ('edges',)
    edges: Tensor

    def __init__(
        self,
        vision_dims: int | None,
        edges: Sequence[float] = DISTANCE_EDGES,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if vision_dims is None:
            raise ConfigError(
                "prompt.distance_mode 'learned' needs prompt.vision_dims, the "
                'width of the vision model'
            )
        bounds = [0.0, *edges, math.inf]
        if len(edges) != len(DISTANCE_WORDS) - 1 or not all(
            a < b for a, b in zip(bounds[:-1], bounds[1:], strict=True)
        ):
            raise ConfigError(
                f'prompt.distance_edges is {list(edges)}: give '
                f'{len(DISTANCE_WORDS) - 1} rising depths in metres'
            )
        if not 0 <= loss_weight < math.inf:
            raise ConfigError(
                f'prompt.distance_loss_weight is {loss_weight}: give 0 or more'
            )
        self.loss_weight = loss_weight
        self.norm = nn.LayerNorm(vision_dims)
        self.linear = nn.Linear(vision_dims, len(DISTANCE_WORDS))
        self.register_buffer(
            'edges', torch.tensor(edges, dtype=torch.float32), persistent=False
        )

    def forward(self, patches: Tensor) -> Tensor:
        """Logits ``(B, 7)``, float32, of patch tokens ``(B, N, D_v)``."""
        return self.linear(self.norm(patches).mean(1)).float()

    def loss(self, logits: Tensor, depth: Tensor) -> Tensor:
        """Weighted cross-entropy with the bin of the median depth.

        Args:
            logits (Tensor): ``(B, 7)``.
            depth (Tensor): ``(B, 1, H, W)`` ground truth in metres, 0 = none.

        Returns:
            Tensor: :func:`mean_over_pictures` of those with a measurement;
            0, with a gradient of 0, without any.
        """
        median, known = median_depth(depth)
        # The lower edge belongs to a bin, as in numpy.digitize.
        target = torch.bucketize(median, self.edges, right=True)
        losses = F.cross_entropy(logits.float(), target, reduction='none')
        return self.loss_weight * mean_over_pictures(losses, known)
