"""How a tool's process begins and ends: alone, or one of several."""

import os
import re
import shlex
import sys
from collections.abc import Callable

import torch.distributed as torch_dist
from mmengine.dist import get_rank, is_main_process
from mmengine.logging import print_log
from torch.distributed.elastic.multiprocessing.errors import record

from llm_mde_mm.utils.errors import (
    ConfigError,
    LLMMDEError,
    TrainingInterrupted,
)

# How Python says it of a part that a config builds.
_UNKNOWN_KEY = re.compile(
    r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'"
)


def run_tool(main: Callable[[], None]) -> None:
    """Run a tool; a mistake of the user's ends it with a message alone.

    Of several processes, the one that fails says why. Those that lose the
    connection to it say that and end too. torchrun is told the reason for
    its summary. A training that a signal has stopped says how to go on.

    Args:
        main (Callable[[], None]): The tool.
    """
    rank = f'process {os.environ["RANK"]}: ' if 'RANK' in os.environ else ''
    try:
        record(_run_to_the_end)(main)
    except LLMMDEError as error:
        name = type(error).__name__
        # torch puts a worker's traceback before the message.
        text = str(error).rpartition(f'.{name}: ')[2]
        sys.exit(f'{rank}{name}: {text.strip()}')


def _run_to_the_end(main: Callable[[], None]) -> None:
    try:
        main()
        _leave_group()
    except TrainingInterrupted as stop:
        if is_main_process():
            command = resume_command()
            print_log(f'{stop}. Go on by\n{command}', logger='current')
        _leave_group()
        sys.exit(stop.exit_code)
    except TypeError as error:
        found = _UNKNOWN_KEY.search(str(error))
        if found is None:
            raise
        raise ConfigError(
            f'the config gives {found[1]} a key {found[2]!r}, which it does '
            'not take: is it misspelt, or of another part?'
        ) from error
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        # Not an error of its own: torchrun's summary leaves it out.
        sys.exit(
            f'process {get_rank()}: another process has ended or '
            'hangs; its own message says why, or the summary that follows'
        )


def _is_lost_connection(error: RuntimeError) -> bool:
    """Whether gloo says that it cannot reach another process any more."""
    text = str(error)
    return 'gloo' in text and (
        ' by peer' in text or 'Timed out' in text or 'Broken pipe' in text
    )


def _leave_group() -> None:
    if torch_dist.is_available() and torch_dist.is_initialized():
        # A process that leaves while gloo's threads still serve another one
        # is aborted.
        torch_dist.barrier()
        torch_dist.destroy_process_group()


def resume_command() -> str:
    """The command that goes on with the training that this process runs."""
    words = list(sys.argv)
    if '--resume' in words:
        place = words.index('--resume')
        last = len(words) == place + 1 or words[place + 1].startswith('-')
        del words[place : place + (1 if last else 2)]
    words = [w for w in words if not w.startswith('--resume=')]
    count = os.environ.get('WORLD_SIZE', '1')
    if count != os.environ.get('LOCAL_WORLD_SIZE', '1'):
        return 'the same command with --resume on every machine'
    launcher = ['python']
    if 'TORCHELASTIC_RUN_ID' in os.environ:
        launcher += [
            '-m',
            'torch.distributed.run',
            f'--nproc_per_node={count}',
        ]
    return shlex.join([*launcher, *words, '--resume'])
