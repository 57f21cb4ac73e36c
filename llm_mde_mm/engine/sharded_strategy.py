"""How a model is spread over processes, and gathered for a checkpoint."""

import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from mmengine._strategy import FSDPStrategy
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from torch import Tensor, nn
from torch.distributed.fsdp import FullOptimStateDictConfig
from torch.distributed.fsdp import FullyShardedDataParallel as FSDP
from torch.distributed.fsdp.wrap import lambda_auto_wrap_policy

from llm_mde_mm.utils.checkpoint import fit_checkpoint, read_checkpoint
from llm_mde_mm.utils.checkpoint_writing import write_checkpoint
from llm_mde_mm.utils.errors import ConfigError, WeightsError

from .depth_runner import cast_model, one_optimizer, quieten
from .processes import check_norm_layers, start_gloo
from .resume_checks import scheduler_states
from .sharded_parts import transformer_blocks


class ShardedStrategy(FSDPStrategy):
    """FSDP for a frozen network with trained parts, on GPUs or CPUs.

    Each transformer block of the vision and of the language model is a unit,
    gathered for its turn; the rest is one more. A checkpoint is a single
    file, the same as without sharding.

    Args:
        check (Callable): Called with a checkpoint that is loaded and its
            path, before it is used; raises what is wrong with it.
        model_dtype (str | None): Casts the model, as in
            :class:`DepthRunner`.
        **kwargs: Those of MMEngine's strategy, such as
            ``model_wrapper=dict(mixed_precision=dict(param_dtype=...))``.
    """

    model_wrapper: Any
    _outline: Any

    def __init__(
        self,
        check: Callable[[dict, Path], None],
        model_dtype: str | None = None,
        **kwargs,
    ) -> None:
        self.check, self.model_dtype = check, model_dtype
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
        self._outline = _Outline(built)
        return built

    def build_optim_wrapper(
        self, optim_wrapper: Any, model: nn.Module | None = None
    ) -> Any:
        """Build the optimizer with its wrapper.

        Args:
            optim_wrapper (Any): MMEngine's config of it.
            model (nn.Module | None): The model.

        Raises:
            ConfigError: If there are several optimizers.
        """
        return one_optimizer(super().build_optim_wrapper(optim_wrapper, model))

    def _wrap_model(self, model: Any) -> nn.Module:
        given = self.model_wrapper or {}
        sharding = given.get('sharding_strategy') or 'FULL_SHARD'
        sharding = getattr(sharding, 'name', sharding)
        if sharding not in ('FULL_SHARD', 'SHARD_GRAD_OP'):
            # The others leave whole gradients in several processes, which
            # clipping would count as often.
            raise ConfigError(
                f'strategy.model_wrapper.sharding_strategy is {sharding!r}: '
                "give 'FULL_SHARD' or 'SHARD_GRAD_OP', or train without "
                'ShardedRunner'
            )
        blocks = set(transformer_blocks(model.backbone))
        self.model_wrapper = dict(
            type='ShardedDepthModel',
            use_orig_params=True,
            auto_wrap_policy=partial(
                lambda_auto_wrap_policy, lambda_fn=blocks.__contains__
            ),
            **given,
        )
        if not torch.cuda.is_available():
            self.model_wrapper['device_id'] = torch.device('cpu')
        with warnings.catch_warnings():
            # MMEngine calls what torch would like to see replaced.
            warnings.filterwarnings('ignore', 'FSDP.state_dict_type')
            return super()._wrap_model(model)

    def save_checkpoint(
        self,
        filename: str,
        *,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        extra_ckpt: dict | None = None,
        callback: Callable | None = None,
    ) -> None:
        """Gather a checkpoint; the first process writes it, whole or not.

        Args:
            filename (str): The file.
            save_optimizer (bool): With the optimizer's state.
            save_param_scheduler (bool): With the schedulers' state.
            extra_ckpt (dict | None): Further entries.
            callback (Callable | None): Called with the checkpoint.

        Raises:
            WeightsError: If the file cannot be written, or a hook adds what
                is no plain data.
        """
        checkpoint = dict(state_dict=self.model_state_dict())
        if save_optimizer:
            checkpoint['optimizer'] = self.optim_state_dict()
        if save_param_scheduler and hasattr(self, 'param_schedulers'):
            checkpoint['param_schedulers'] = scheduler_states(
                self.param_schedulers
            )
        checkpoint.update(extra_ckpt or {})
        if callback is not None:
            callback(checkpoint)
        if is_main_process():
            write_checkpoint(checkpoint, Path(filename))

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
            WeightsError: If the file cannot be read, or is not whole or
                another config's.
        """
        checkpoint = read_checkpoint(filename)
        if checkpoint.get('base'):
            raise WeightsError(
                f'{filename} is an adapter, without its frozen base: a model '
                'that is spread over processes takes whole checkpoints, which '
                "a run with default_hooks.checkpoint.content='full' writes"
            )
        self.check(checkpoint, Path(filename))
        fit_checkpoint(checkpoint, self._outline, filename)
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


class _Outline:
    """A model's tensors without their values, as they were before sharding.

    Args:
        model (nn.Module): Not spread yet.
    """

    def __init__(self, model: nn.Module) -> None:
        self._state = {k: v.to('meta') for k, v in model.state_dict().items()}

    def state_dict(self) -> dict[str, Tensor]:
        """Names, shapes and types of the model's state."""
        return self._state
