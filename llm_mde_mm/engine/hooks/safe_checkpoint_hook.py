"""When checkpoints are written and which older ones are deleted."""

from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from llm_mde_mm.utils.checkpoint_writing import POINTER, move_pointer
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.utils.frozen_base import pretrained_parts
from llm_mde_mm.utils.whole_file import remove_partial_files

CONTENTS = ('adapter', 'full')
_OUTDATED = 'outdated_ckpts'


@HOOKS.register_module()
class SafeCheckpointHook(CheckpointHook):
    """MMEngine's hook, in an order that a death at any instant does not hurt.

    A checkpoint is written beside its name, brought to the disk, read back,
    renamed (all this by the runner), then ``last_checkpoint`` is moved to it,
    then what it replaces is deleted; MMEngine's hook deletes first. A
    checkpoint holds the names of what it replaces, so that a run which died
    before deleting them does so when it goes on.

    For a runner that writes in this way, such as ``DepthRunner``.

    Args:
        content (str): 'adapter', what was trained beside digests of the
            frozen pretrained base; 'full', everything.
        **kwargs: Those of :class:`mmengine.hooks.CheckpointHook`, but for
            ``published_keys``, ``backend_args`` and ``file_client_args``.

    Raises:
        ConfigError: If ``content`` is neither, or an argument is unknown.
    """

    def __init__(self, content: str = 'adapter', **kwargs) -> None:
        if content not in CONTENTS:
            raise ConfigError(
                f'checkpoint.content is {content!r}; it is one of '
                + ', '.join(CONTENTS)
            )
        for key in ('published_keys', 'backend_args', 'file_client_args'):
            if kwargs.get(key) is not None:
                raise ConfigError(
                    f'checkpoint.{key} does not go with SafeCheckpointHook: '
                    'files are local, and tools/convert_adapter.py publishes'
                )
        super().__init__(**kwargs)
        if self.args:
            raise ConfigError(
                f'SafeCheckpointHook has no argument {sorted(self.args)}'
            )
        self.content = content
        # Best checkpoints, while it is found out whether there are better.
        self._hidden: dict[str, str] = {}

    def before_run(self, runner: Runner) -> None:
        """Tell the runner what its checkpoints hold."""
        if not hasattr(runner, 'checkpoint_content'):
            raise ConfigError(
                f'SafeCheckpointHook needs a runner that writes as it says: '
                f"runner_type='DepthRunner', not {type(runner).__name__}"
            )
        runner.checkpoint_content = self.content

    def before_train(self, runner: Runner) -> None:
        """Clear up after a run that died; say what checkpoints will hold."""
        hub = runner.message_hub
        # Out of a file: nothing in it may name what lies elsewhere.
        kept = [
            step
            for step in hub.runtime_info.get('keep_ckpt_ids', [])
            if type(step) is int
        ]
        hub.update_info('keep_ckpt_ids', kept)
        super().before_train(runner)
        for key, path in self._best().items():
            # The run's folder may have moved.
            self._set_best(key, str(Path(str(self.out_dir)) / _name(path)))
        if is_main_process():
            folders = {Path(runner.work_dir), Path(str(self.out_dir))}
            for folder in folders:
                if runner.iter == 0:
                    _put_aside(folder, runner)
                for part in remove_partial_files(folder):
                    runner.logger.info(f'half-written file removed: {part}')
            self._delete(hub.runtime_info.get(_OUTDATED, []))
        self._describe(runner)

    def _describe(self, runner: Runner) -> None:
        if self.content == 'full':
            return
        parts = pretrained_parts(runner.bare_model)
        count = len(runner.frozen_base())
        runner.logger.info(
            f'checkpoints leave out {count} frozen tensors of '
            f'{", ".join(parts)}; they fit on no others'
            if count
            else 'checkpoints hold all weights: none are frozen and pretrained'
        )

    def _delete(self, names: list) -> None:
        """Delete checkpoints by name, never one that is in use."""
        folder = Path(str(self.out_dir))
        used = {_name(path) for path in self._best().values()}
        used.add(_name(self.last_ckpt))
        if self.max_keep_ckpts > 0:
            used |= {self.filename_tmpl.format(i) for i in self.keep_ckpt_ids}
        for name in map(_name, names):
            path = folder / name
            if path.suffix == '.pth' and name not in used and path.is_file():
                path.unlink()

    def _best(self) -> dict[str, str]:
        """Paths of the best checkpoints that there are, by score."""
        if not self.save_best:
            return {}
        paths = (
            self.best_ckpt_path_dict
            if self._several
            else {self.key_indicators[0]: self.best_ckpt_path}
        )
        return {key: path for key, path in paths.items() if path}

    def _set_best(self, key: str, path: str | None) -> None:
        if self._several:
            self.best_ckpt_path_dict[key] = path
        else:
            self.best_ckpt_path = path

    @property
    def _several(self) -> bool:
        return len(self.key_indicators) > 1

    def _save_checkpoint_with_step(
        self, runner: Runner, step: int, meta: dict
    ) -> None:
        hub = runner.message_hub
        outdated = self._settle_best()
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            kept = [*self.keep_ckpt_ids, step]
            outdated += map(
                self.filename_tmpl.format, kept[: -self.max_keep_ckpts]
            )
            self.keep_ckpt_ids.append(step)  # as long as max_keep_ckpts
            hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        name = self.filename_tmpl.format(step)
        self.last_ckpt = str(Path(str(self.out_dir)) / name)
        hub.update_info('last_ckpt', self.last_ckpt)
        hub.update_info(_OUTDATED, [_name(path) for path in outdated])
        runner.save_checkpoint(
            str(self.out_dir),
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
        )
        if is_main_process():
            move_pointer(Path(runner.work_dir), Path(self.last_ckpt))
            self._delete(outdated)

    def _save_best_checkpoint(self, runner: Runner, metrics: dict) -> None:
        asked = set(self.key_indicators) - {'auto'} if self.save_best else ()
        missing = sorted(set(asked) - metrics.keys())
        if missing:
            raise ConfigError(
                f'checkpoint.save_best names {", ".join(missing)}; validation '
                f'gives {", ".join(metrics)}: name one of these, or add the '
                "metric to val_evaluator (for 'loss' "
                "dict(type='ValidationLoss'))"
            )
        if self.save_best and 'auto' in self.key_indicators:
            # Before its paths are put aside by key.
            self._init_rule(self.rules, [next(iter(metrics))])
        # MMEngine deletes the best one that it knows of before it writes.
        self._hidden = dict(self._best())
        for key in self._hidden:
            self._set_best(key, None)
        super()._save_best_checkpoint(runner, metrics)
        replaced = self._settle_best()
        if is_main_process():
            self._delete(replaced)

    def _settle_best(self) -> list[str]:
        """Put back what had no better; paths of what had."""
        now, replaced = self._best(), []
        for key, path in self._hidden.items():
            if key not in now:
                self._set_best(key, path)
            elif now[key] != path:
                replaced.append(path)
        self._hidden = {}
        return replaced


def _put_aside(folder: Path, runner: Runner) -> None:
    """Move an earlier run's checkpoints out of the way of another one's.

    A folder stands for its best checkpoint, and a run that goes on takes the
    newest one.
    """
    names = ('best_*.pth', 'epoch_*.pth', 'iter_*.pth', 'interrupted.pth')
    found = [path for name in (*names, POINTER) for path in folder.glob(name)]
    if found:
        aside = folder / f'before_{runner.timestamp}'
        aside.mkdir(exist_ok=True)
        for path in found:
            path.rename(aside / path.name)
        runner.logger.warning(
            f'{folder} had checkpoints of an earlier run, which --resume '
            f'would have gone on with: they lie in {aside} now'
        )


def _name(path: object) -> str:
    return Path(str(path)).name
