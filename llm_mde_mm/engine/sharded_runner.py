"""FSDP: the weights of a model spread over the processes that train it."""

from collections.abc import Mapping
from pathlib import Path

from mmengine.runner import FlexibleRunner
from mmseg.registry import RUNNERS

from llm_mde_mm.utils.checkpoint_writing import plain_message_hub
from llm_mde_mm.utils.errors import ConfigError

from .common_runner import CommonRunner
from .resume_checks import check_resumable
from .sharded_strategy import ShardedStrategy


@RUNNERS.register_module()
class ShardedRunner(CommonRunner, FlexibleRunner):
    """MMEngine's FlexibleRunner, for a model that does not fit one card.

    Where it fits, :class:`DepthRunner` does the same with less traffic.
    ``strategy`` of the config holds arguments of :class:`ShardedStrategy`.
    Checkpoints are whole: ``checkpoint_content`` is 'full'.
    """

    @property
    def checkpoint_content(self) -> str:
        """What ``SafeCheckpointHook`` is to say: 'full'."""
        return 'full'

    @checkpoint_content.setter
    def checkpoint_content(self, content: str) -> None:
        if content != 'full':
            raise ConfigError(
                f'{type(self).__name__} writes whole checkpoints: give '
                f"default_hooks.checkpoint.content='full', not {content!r}"
            )

    def build_strategy(
        self,
        strategy: Mapping | None = None,
        launcher: str = 'none',
        randomness: dict | None = None,
        env_cfg: Mapping | None = None,
        experiment_name: str | None = None,
        log_level: str | None = None,
    ) -> ShardedStrategy:
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
            check=self._check,
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
                meta=self.checkpoint_meta(meta, by_epoch),
                message_hub=plain_message_hub(self.message_hub.state_dict()),
            ),
            callback=lambda checkpoint: self.call_hook(
                'before_save_checkpoint', checkpoint=checkpoint
            ),
        )

    def _check(self, checkpoint: dict, path: Path) -> None:
        """Refuse a checkpoint of another run's config."""
        if self._resume:
            check_resumable(checkpoint, path, self)
        self.compare_settings(checkpoint['meta'], path)
