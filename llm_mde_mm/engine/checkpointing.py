"""How a runner saves, loads and resumes: safely, and what was trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mmengine.dist import master_only
from mmengine.runner import Runner

from llm_mde_mm.utils.checkpoint import (
    find_checkpoint,
    fit_checkpoint,
    read_checkpoint,
)
from llm_mde_mm.utils.checkpoint_writing import (
    plain_message_hub,
    write_checkpoint,
)
from llm_mde_mm.utils.errors import LLMMDEError, WeightsError
from llm_mde_mm.utils.frozen_base import (
    base_digests,
    base_names,
    drop_base,
    tensor_digest,
)

from .common_runner import CommonRunner
from .resume_checks import check_moments, check_resumable, scheduler_states


class CheckpointRunner(CommonRunner, Runner):
    """A Runner whose checkpoints run no code and are whole or not there.

    MMEngine's own reads a checkpoint with all that its pickle asks for as
    soon as the safe way fails, fills what fits of it, and writes over the
    file that it replaces.

    ``checkpoint_content`` is 'adapter', the trained parts and digests of the
    frozen base, or 'full'; ``SafeCheckpointHook`` sets it.
    """

    checkpoint_content = 'adapter'
    _base: dict[str, str] | None = None

    def frozen_base(self) -> dict[str, str]:
        """Digests of what the config's weights bring back, computed once."""
        model = self.bare_model
        if self._base is None:
            self._base = base_digests(model, base_names(model))
        # What a hook has set free since is trained now.
        trained = {n for n, p in model.named_parameters() if p.requires_grad}
        self._base = {n: d for n, d in self._base.items() if n not in trained}
        return self._base

    @master_only
    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict | None = None,
        by_epoch: bool = True,
        backend_args: dict | None = None,
    ) -> None:
        """Save a checkpoint, as MMEngine's method of this name does.

        Args:
            out_dir (str): Folder.
            filename (str): Name in it.
            file_client_args (dict | None): Not read: files are local.
            save_optimizer (bool): With the optimizer's state.
            save_param_scheduler (bool): With the schedulers' state.
            meta (dict | None): Further entries for ``meta``.
            by_epoch (bool): Whether an epoch or an iteration is at its end.
            backend_args (dict | None): Not read.

        Raises:
            WeightsError: If the file cannot be written, or a hook adds what
                is no plain data.
        """
        checkpoint: dict[str, Any] = dict(
            meta=self.checkpoint_meta(meta, by_epoch),
            state_dict=dict(self.bare_model.state_dict()),
        )
        if save_optimizer:
            checkpoint['optimizer'] = self.optim_wrapper.state_dict()
        if save_param_scheduler and self.param_schedulers is not None:
            checkpoint['param_schedulers'] = scheduler_states(
                self.param_schedulers
            )
        checkpoint['message_hub'] = self.message_hub.state_dict()
        self.call_hook('before_save_checkpoint', checkpoint=checkpoint)
        checkpoint['message_hub'] = plain_message_hub(
            checkpoint['message_hub']
        )
        if self.checkpoint_content == 'adapter':
            drop_base(checkpoint, self.frozen_base())
        write_checkpoint(checkpoint, Path(out_dir) / filename)

    def load_checkpoint(
        self,
        filename: str | Path,
        map_location: str | Callable = 'cpu',
        strict: bool = True,
        revise_keys: list | None = None,
    ) -> dict:
        """Fill the model from a checkpoint, completely.

        Args:
            filename (str | Path): A file, full or an adapter, or a run's
                folder: its best one.
            map_location (str | Callable): Not read: hooks get it on the CPU.
            strict (bool): Not read: it is.
            revise_keys (list | None): Not read.

        Returns:
            dict: The checkpoint.

        Raises:
            WeightsError: If the file cannot be read, or belongs to another
                model or another config.
        """
        path = find_checkpoint(filename)
        checkpoint = read_checkpoint(path)
        if self._resume:
            check_resumable(checkpoint, path, self)
        model, base = self.bare_model, self.frozen_base()
        read = dict(checkpoint['state_dict'])
        fit_checkpoint(checkpoint, model, path, base)
        self.compare_settings(checkpoint['meta'], path)
        # What the file replaces, the config's weights do not bring back.
        self._base = {
            name: digest
            for name, digest in base.items()
            if name not in read or tensor_digest(read[name]) == digest
        }
        self.call_hook('after_load_checkpoint', checkpoint=checkpoint)
        model.load_state_dict(checkpoint['state_dict'])
        self._has_loaded = True
        self.logger.info(f'Load checkpoint from {path}')
        return checkpoint

    def resume(
        self,
        filename: str | Path,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: str | Callable = 'default',
    ) -> None:
        """Go on from a checkpoint with everything that it holds.

        Args:
            filename (str | Path): The file.
            resume_optimizer (bool): With the optimizer's state.
            resume_param_scheduler (bool): With the schedulers' state.
            map_location (str | Callable): Not read.

        Raises:
            WeightsError: If the file cannot be read, is another config's or
                lacks what it takes to go on.
        """
        try:
            super().resume(
                str(filename), resume_optimizer, resume_param_scheduler, 'cpu'
            )
            check_moments(self.optim_wrapper)
        except LLMMDEError:
            raise
        except (
            AssertionError,
            AttributeError,
            KeyError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            raise WeightsError(
                f'{filename} does not continue this run: its optimizer, '
                f'schedule or log is of another kind ({error!r:.200})'
            ) from error
