"""FSDP: the weights of a model spread over the processes that train it."""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine._strategy import FSDPStrategy
from mmengine.logging import MMLogger
from mmengine.runner import FlexibleRunner
from mmseg.registry import RUNNERS
from torch import nn
from torch.distributed.fsdp import FullOptimStateDictConfig
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP
from torch.distributed.fsdp.wrap import lambda_auto_wrap_policy

from llm_mde_mm.utils.checkpoint import read_checkpoint
from llm_mde_mm.utils.checkpoint_writing import plain_message_hub
from llm_mde_mm.utils.errors import ConfigError

from .depth_runner import cast_model, quieten
from .processes import check_norm_layers, start_gloo
from .sharded_parts import transformer_blocks


@RUNNERS.register_module()
class ShardedRunner(FlexibleRunner):
    """MMEngine's FlexibleRunner, for a model that does not fit one card.

    Where it fits, :class:`DepthRunner` does the same with less traffic.
    ``strategy`` of the config holds arguments of :class:`ShardedStrategy`.
    """

    def build_strategy(
        self,
        strategy: Mapping | None = None,
        launcher: str = 'none',
        randomness: dict | None = None,
        env_cfg: Mapping | None = None,
        experiment_name: str | None = None,
        log_level: str | None = None,
    ) -> 'ShardedStrategy':
        """Build the strategy.

        Args:
            strategy (Mapping | None): Arguments of :class:`ShardedStrategy`.
            launcher (str): 'pytorch', 'slurm' or 'mpi'.
            randomness (dict | None): MMEngine's.
            env_cfg (Mapping | None): MMEngine's.
            experiment_name (str | None): MMEngine's.
            log_level (str | None): MMEngine's.

        Raises:
            ConfigError: If there is no launcher.
        """
        if launcher == 'none':
            raise ConfigError(
                'this config spreads the model over several processes: start '
                'it by tools/dist_train.sh or tools/slurm_train.sh'
            )
        return ShardedStrategy(
            model_dtype=self.cfg.get('model_dtype'),
            work_dir=self._work_dir,
            experiment_name=experiment_name,
            auto_scale_lr=self._auto_scale_lr,
            env_kwargs=dict(
                launcher=launcher, randomness=randomness, **(env_cfg or {})
            ),
            log_kwargs=dict(log_level=log_level),
            **(strategy or {}),
        )

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict | None = None,
        by_epoch: bool = True,
        **kwargs,
    ) -> None:
        """Save a checkpoint, as MMEngine's method of this name does.

        MMEngine's puts its own count in the place of the epoch that the hook
        names; one that is saved again after validation, for the best score
        in it, would be resumed an epoch too late.

        Args:
            out_dir (str): Folder.
            filename (str): Name in it.
            file_client_args (dict | None): Not read: files are local.
            save_optimizer (bool): With the optimizer's state.
            save_param_scheduler (bool): With the schedulers' state.
            meta (dict | None): Further entries for ``meta``.
            by_epoch (bool): Whether an epoch or an iteration is at its end.
            **kwargs: Not read either.
        """
        self.strategy.save_checkpoint(
            filename=str(Path(out_dir) / filename),
            save_optimizer=save_optimizer,
            save_param_scheduler=save_param_scheduler,
            extra_ckpt=dict(
                meta=dict(
                    epoch=self.epoch + by_epoch,
                    iter=self.iter + (not by_epoch),
                    cfg=self.cfg.pretty_text,
                    experiment_name=self.experiment_name,
                    dataset_meta=self.train_dataloader.dataset.metainfo,
                )
                | (meta or {}),
                message_hub=plain_message_hub(self.message_hub.state_dict()),
            ),
            callback=lambda checkpoint: self.call_hook(
                'before_save_checkpoint', checkpoint=checkpoint
            ),
        )


class ShardedStrategy(FSDPStrategy):
    """FSDP for a frozen network with trained parts, on GPUs or CPUs.

    Each transformer block of the vision and of the language model is a unit,
    gathered for its turn; the rest is one more. A checkpoint is a single
    file, the same as without sharding.

    Args:
        model_dtype (str | None): Casts the model, as in
            :class:`DepthRunner`.
        **kwargs: Those of MMEngine's strategy, such as
            ``model_wrapper=dict(mixed_precision=dict(param_dtype=...))``.
    """

    model_wrapper: Any

    def __init__(self, model_dtype: str | None = None, **kwargs) -> None:
        self.model_dtype = model_dtype
        super().__init__(state_dict_cfg='full', **kwargs)
        # torch gathers every state in one buffer and relies on the way to the
        # CPU to copy it: on CPUs, exp_avg would be saved as exp_avg_sq.
        self.optim_state_dict_config = FullOptimStateDictConfig(
            rank0_only=True, offload_to_cpu=torch.cuda.is_available()
        )

    def _setup_env(self, **kwargs) -> None:
        start_gloo(kwargs['launcher'], kwargs.get('dist_cfg'))
        super()._setup_env(**kwargs)

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """MMEngine's logger, with a quiet console."""
        return quieten(super().build_logger(*args, **kwargs))

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model, cast, before it is spread.

        Args:
            model (nn.Module | dict): A model, or its config.

        Raises:
            ConfigError: If a norm layer cannot be trained here.
        """
        built = cast_model(super().build_model(model), self.model_dtype)
        check_norm_layers(built)
        return built

    def _wrap_model(self, model: Any) -> nn.Module:
        blocks = set(transformer_blocks(model.backbone))
        self.model_wrapper = dict(
            type='ShardedDepthModel',
            use_orig_params=True,
            auto_wrap_policy=partial(
                lambda_auto_wrap_policy, lambda_fn=blocks.__contains__
            ),
            **(self.model_wrapper or {}),
        )
        if not torch.cuda.is_available():
            self.model_wrapper['device_id'] = torch.device('cpu')
        with warnings.catch_warnings():
            # MMEngine calls what torch would like to see replaced.
            warnings.filterwarnings('ignore', 'FSDP.state_dict_type')
            return super()._wrap_model(model)

    def load_checkpoint(
        self,
        filename: str,
        *,
        callback: Callable | None = None,
        **kwargs,
    ) -> dict:
        """Load a checkpoint without running code that it may hold.

        Args:
            filename (str): The file.
            callback (Callable | None): Called with the checkpoint first.
            **kwargs: Not read; MMEngine passes them.

        Raises:
            WeightsError: If the file cannot be read.
        """
        checkpoint = read_checkpoint(filename)
        if callback is not None:
            callback(checkpoint)
        self.load_model_state_dict(checkpoint.pop('state_dict'), strict=True)
        return checkpoint

    # MMEngine hands over the wrapper, whose state has what is not a
    # parameter's, and on loading the arguments in another order than torch's.
    def optim_state_dict(self) -> dict:
        """State of the optimizer, by the parameters' names."""
        wrapper = self.optim_wrapper
        state = FSDP.optim_state_dict(self.model, wrapper.optimizer)
        if wrapper.base_param_settings is not None:
            state['base_param_settings'] = wrapper.base_param_settings
        return state

    def load_optim_state_dict(self, state_dict: dict) -> None:
        """Take up the state of :meth:`optim_state_dict`."""
        wrapper = self.optim_wrapper
        base = state_dict.pop('base_param_settings', None)
        state = FSDP.optim_state_dict_to_load(
            self.model, wrapper.optimizer, state_dict
        )
        if base is not None:
            state['base_param_settings'] = base
        wrapper.load_state_dict(state)
