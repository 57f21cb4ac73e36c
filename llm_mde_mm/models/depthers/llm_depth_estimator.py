"""mmseg's depth estimator, made strict for this model."""

from typing import Any

import torch
from mmengine.config import ConfigDict
from mmseg.models import DepthEstimator
from mmseg.registry import MODELS
from mmseg.utils import OptSampleList, SampleList
from torch import Tensor, nn

from llm_mde_mm.models.features import WithPicture
from llm_mde_mm.utils.errors import ConfigError

from .padding import mirror, valid_pixels


@MODELS.register_module()
class LLMDepthEstimator(DepthEstimator):
    """Depth from one picture through a language model (arXiv 2409.01133).

    Over mmseg's class: the normalisation of the data preprocessor must be the
    vision model's; padding is kept out of the prompt's statistics; the
    prompt's distance can be supervised; a validation step also gives each
    picture's loss, that of the decode head alone. A neck whose config lacks
    ``in_channels`` gets the width of the language model, and one with
    ``vision_channels='all'`` those of all blocks of the vision model that are
    read.

    ``test_cfg=dict(flip=True)`` averages each predicted depth with that of
    the mirrored picture, whose prompt is written anew. It takes twice the
    time, in validation as well, and marks the data samples by
    ``flip_tta=True``.

    Args:
        **kwargs: Those of :class:`mmseg.models.DepthEstimator`.

    Raises:
        ConfigError: If the preprocessor normalises for another vision model,
            a head reads another number of channels than the neck gives, the
            test mode is not 'whole' or ``test_cfg.flip`` is no bool.
    """

    # Read by hooks that run the backbone themselves.
    _valid_pixels = staticmethod(valid_pixels)

    def __init__(self, **kwargs) -> None:
        kwargs['test_cfg'] = ConfigDict(
            {'mode': 'whole', **(kwargs.get('test_cfg') or {})}
        )
        neck = kwargs.pop('neck', None)
        super().__init__(**kwargs)
        if neck is not None:
            # The width of the LLM is only known once it is loaded.
            neck = {'in_channels': self.backbone.embed_dims, **neck}
            if neck.get('vision_channels') == 'all':
                vision = self.backbone.vision
                widths = [vision.embed_dims] * len(vision.blocks)
                neck['vision_channels'] = widths
            self.neck = MODELS.build(neck)
            self._check_channels()
        mode = self.test_cfg.mode
        if mode != 'whole':
            raise ConfigError(
                f"test_cfg.mode is {mode!r}: only 'whole' "
                'pictures can be described by a prompt'
            )
        flip = self.test_cfg.get('flip', False)
        if not isinstance(flip, bool):
            raise ConfigError(f'test_cfg.flip is {flip!r}: give True or False')
        self._check_normalisation()

    def _check_channels(self) -> None:
        given = getattr(self.neck, 'out_channels', None)
        heads = [('decode_head', self.decode_head)]
        if self.with_auxiliary_head:
            auxiliary = self.auxiliary_head
            many = isinstance(auxiliary, nn.ModuleList)
            heads += [
                ('auxiliary_head', head)
                for head in (auxiliary if many else [auxiliary])
            ]
        for name, head in heads:
            wanted = getattr(head, 'in_channels', None)
            # mmseg's own may give and read several maps, as lists.
            both = isinstance(given, int) and isinstance(wanted, int)
            if both and wanted != given:
                raise ConfigError(
                    f'{name}.in_channels is {wanted}, but the neck gives '
                    f'{given} channels: set both to one number'
                )

    def _check_normalisation(self) -> None:
        if not hasattr(self.backbone, 'vision'):
            return
        for name in ('mean', 'std'):
            ours = getattr(self.data_preprocessor, name, None)
            theirs = 255 * torch.tensor(getattr(self.backbone.vision, name))
            if ours is None or not torch.allclose(
                ours.flatten().cpu(), theirs, atol=1e-3
            ):
                shown = None if ours is None else ours.flatten().tolist()
                raise ConfigError(
                    f'data_preprocessor.{name} is {shown}, but '
                    f'{self.backbone.vision.model_name} was trained with '
                    f'{theirs.tolist()}: give DepthPreprocessor the model_name'
                    ' and weights of backbone.vision'
                )

    def extract_feat(
        self, inputs: Tensor, batch_img_metas: list[dict] | None = None
    ) -> Any:
        """What the decode head reads of normalised pictures ``(B, 3, H, W)``.

        The feature map; a head whose ``reads_picture`` is True gets a
        :class:`WithPicture`.
        """
        features = self._run_backbone(inputs, batch_img_metas)
        return self._for_head(self._fuse(features), inputs)

    def _run_backbone(self, inputs: Tensor, metas: list[dict] | None) -> Any:
        return self.backbone(inputs, self._valid_pixels(inputs, metas))

    def _fuse(self, features: Any) -> Any:
        return self.neck(features) if self.with_neck else features

    def _for_head(self, fused: Any, inputs: Tensor) -> Any:
        if getattr(self.decode_head, 'reads_picture', False):
            return WithPicture(fused, inputs)
        return fused

    def loss(
        self, inputs: Tensor, data_samples: SampleList
    ) -> dict[str, Tensor]:
        """Losses of the heads and, if it is supervised, of the prompt.

        Args:
            inputs (Tensor): ``(B, 3, H, W)``, normalised.
            data_samples (SampleList): With ``gt_depth_map`` ``(1, H, W)`` m.

        Returns:
            dict[str, Tensor]: One scalar a loss, by its name.
        """
        metas = [sample.metainfo for sample in data_samples]
        features = self._run_backbone(inputs, metas)
        fused = self._fuse(features)
        losses = self._decode_head_forward_train(
            self._for_head(fused, inputs), data_samples
        )
        if self.with_auxiliary_head:
            losses.update(
                self._auxiliary_head_forward_train(fused, data_samples)
            )
        logits = getattr(features, 'distance_logits', None)
        if logits is not None and self.backbone.prompt.distance_loss_weight:
            depth = torch.stack([s.gt_depth_map.data for s in data_samples])
            losses['loss_distance'] = self.backbone.prompt.distance_loss(
                logits, depth
            )
        return losses

    def _forward(
        self, inputs: Tensor, data_samples: OptSampleList = None
    ) -> Tensor:
        """Depth ``(B, 1, H, W)`` in metres at the size of ``inputs``."""
        meta = dict(img_shape=tuple(inputs.shape[-2:]))
        return self.decode_head.predict(
            self.extract_feat(inputs), [meta], self.test_cfg
        )

    def whole_inference(
        self, inputs: Tensor, batch_img_metas: list[dict]
    ) -> Tensor:
        """Depth of whole pictures, averaged with the mirrored ones' if asked.

        Args:
            inputs (Tensor): ``(B, 3, H, W)``, normalised.
            batch_img_metas (list[dict]): One dict a picture.

        Returns:
            Tensor: ``(B, 1, H, W)`` in metres.
        """
        depth = super().whole_inference(inputs, batch_img_metas)
        if not self.test_cfg.get('flip', False):
            return depth
        mirrored = super().whole_inference(
            mirror(inputs, batch_img_metas), batch_img_metas
        )
        return (depth + mirror(mirrored, batch_img_metas)) / 2

    def predict(
        self, inputs: Tensor, data_samples: OptSampleList = None
    ) -> SampleList:
        """mmseg's, and each sample says whether it is flip-averaged.

        Args:
            inputs (Tensor): ``(B, 3, H, W)``, normalised.
            data_samples (SampleList, optional): One a picture.

        Returns:
            SampleList: With ``pred_depth_map`` at the picture's own size.
        """
        samples = super().predict(inputs, data_samples)
        for sample in samples:
            flip = self.test_cfg.get('flip', False)
            sample.set_metainfo(dict(flip_tta=flip))
        return samples

    def val_step(self, data: dict) -> SampleList:
        """Predict, and score each picture with the decode head's losses.

        Returns:
            SampleList: With ``pred_depth_map`` and the metainfo ``val_loss``,
            a dict by loss name, None for a picture without a measurement.
        """
        return self.score(super().val_step(data))

    def score(self, samples: SampleList) -> SampleList:
        """Score predictions with the decode head's losses.

        Args:
            samples (SampleList): With ``pred_depth_map`` and, to be scored,
                ``gt_depth_map``; changed in place.

        Returns:
            SampleList: See :meth:`val_step`.
        """
        for sample in samples:
            if 'gt_depth_map' in sample:
                sample.set_metainfo(
                    dict(
                        val_loss=self.decode_head.picture_loss(
                            sample.pred_depth_map.data,
                            sample.gt_depth_map.data,
                        )
                    )
                )
        return samples
