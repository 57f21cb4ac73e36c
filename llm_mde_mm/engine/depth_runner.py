"""MMEngine's runner, able to use several processes without a GPU."""

import logging
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmseg.registry import RUNNERS
from torch import nn

from llm_mde_mm.engine.processes import check_norm_layers, start_gloo
from llm_mde_mm.utils.errors import ConfigError

from .checkpointing import CheckpointRunner


@RUNNERS.register_module()
class DepthRunner(CheckpointRunner):
    """A Runner for GPUs and, over gloo, for CPUs, with safe checkpoints.

    MMEngine's own asks for a CUDA device as soon as there is a launcher. The
    environment and the config go to the log file; the console keeps to
    progress and results.

    ``model_dtype`` of the config casts the model. In 'float64' the order of a
    sum, by which one process differs from two, stays below notice.
    """

    def build_model(self, model: nn.Module | dict) -> nn.Module:
        """Build the model, cast as the config says.

        Args:
            model (nn.Module | dict): A model, or its config.

        Returns:
            nn.Module: The model.

        Raises:
            ConfigError: If ``model_dtype`` is no floating-point type.
        """
        return cast_model(
            super().build_model(model), self.cfg.get('model_dtype')
        )

    def build_optim_wrapper(self, optim_wrapper: Any) -> OptimWrapper:
        """Build the optimizer with its wrapper.

        Args:
            optim_wrapper (Any): MMEngine's config of it.

        Raises:
            ConfigError: If there are several optimizers.
        """
        return one_optimizer(super().build_optim_wrapper(optim_wrapper))

    def setup_env(self, env_cfg: dict) -> None:
        """Start the process group over gloo where there is no GPU.

        Args:
            env_cfg (dict): MMEngine's ``env_cfg``.
        """
        start_gloo(self._launcher, env_cfg.get('dist_cfg'))
        super().setup_env(env_cfg)

    def wrap_model(
        self, model_wrapper_cfg: dict | None, model: nn.Module
    ) -> nn.Module:
        """Wrap for data parallelism; without device ids on CPUs.

        Args:
            model_wrapper_cfg (dict | None): MMEngine's config of the wrapper.
            model (nn.Module): The model.

        Returns:
            nn.Module: The model, wrapped if there are several processes.

        Raises:
            ConfigError: If a norm layer does not work here.
        """
        check_norm_layers(model)
        if (
            self.distributed
            and model_wrapper_cfg is None
            and not is_model_wrapper(model)
        ):
            model_wrapper_cfg = dict(
                type='MMDistributedDataParallel',
                forward_sync_buffers=False,
                find_unused_parameters=self.cfg.get(
                    'find_unused_parameters', False
                ),
            )
            if not torch.cuda.is_available():
                model_wrapper_cfg['device_ids'] = None
        return super().wrap_model(model_wrapper_cfg, model)

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """MMEngine's logger, with a quiet console.

        Args:
            *args: Those of MMEngine's.
            **kwargs: Likewise.

        Returns:
            MMLogger: Its console leaves out the blocks that MMEngine opens
            every run with; the log file has them.
        """
        return quieten(super().build_logger(*args, **kwargs))


def one_optimizer(wrapper: Any) -> Any:
    """Refuse several optimizers.

    Args:
        wrapper (BaseOptimWrapper): As MMEngine builds it.

    Raises:
        ConfigError: If it is a dict of some.
    """
    if isinstance(wrapper, OptimWrapperDict):
        raise ConfigError(
            'optim_wrapper has several optimizers, which the hooks here '
            'neither guard nor resume: give one, with rates of its own for '
            'each part by paramwise_cfg.custom_keys'
        )
    return wrapper


def cast_model(model: nn.Module, name: str | None) -> nn.Module:
    """A model in the type that a config's ``model_dtype`` names.

    Args:
        model (nn.Module): Changed in place.
        name (str | None): torch's name of the type; None leaves the model as
            it is.

    Raises:
        ConfigError: If it is no floating-point type.
    """
    if name is None:
        return model
    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise ConfigError(
            f"model_dtype is {name!r}: give 'float32' or 'float64'"
        )
    return model.to(dtype)


def quieten(logger: MMLogger) -> MMLogger:
    """Keep to progress and results on a logger's console."""
    for handler in logger.handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(_is_progress)
    return logger


# Environment, config and hooks, two hundred lines in all, and MMEngine's
# remarks on its own parts.
_FILE_ONLY = (
    '\n------',
    'Config:',
    'Hooks will be executed',
    '"FileClient"',
    '"HardDiskBackend"',
    'Distributed training is not used',
    'Failed to search registry',
    # A line for each frozen parameter and three for each trained one, where
    # parts differ in their rate; the table of parameters has it.
    'is skipped since its requires_grad=False',
    'paramwise_options -- ',
)


def _is_progress(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    return not text.startswith(_FILE_ONLY) and not text.endswith(_FILE_ONLY)
