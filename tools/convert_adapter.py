#!/usr/bin/env python
"""Share an adapter: ``python tools/convert_adapter.py CKPT OUT``."""

import argparse
from pathlib import Path

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip

from llm_mde_mm.utils.adapter_file import ADAPTER_SUFFIX, write_adapter
from llm_mde_mm.utils.checkpoint import find_checkpoint, read_checkpoint
from llm_mde_mm.utils.checkpoint_writing import write_checkpoint
from llm_mde_mm.utils.errors import ConfigError


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write the weights of a checkpoint as safetensors, '
        'without optimizer and logs, or such a file as .pth.'
    )
    parser.add_argument(
        'checkpoint',
        help='checkpoint, or the work dir of a run (its best), or an adapter '
        'in safetensors',
    )
    parser.add_argument('out', help='file to write, *.safetensors or *.pth')
    return parser.parse_args()


def main() -> None:
    """Convert."""
    args = parse_args()
    out = Path(args.out)
    if out.suffix not in (ADAPTER_SUFFIX, '.pth'):
        raise ConfigError(f'{out}: name it *{ADAPTER_SUFFIX} or *.pth')
    checkpoint = read_checkpoint(find_checkpoint(args.checkpoint))
    if out.suffix == ADAPTER_SUFFIX:
        write_adapter(checkpoint, out)
    else:
        kept = ('meta', 'state_dict', 'base')
        write_checkpoint(
            {key: checkpoint[key] for key in kept if key in checkpoint}, out
        )
    tensors = len(checkpoint['state_dict'])
    left = len(checkpoint.get('base') or {})
    print(f'{out}: {tensors} tensors, {left} left to the pretrained weights')


if __name__ == '__main__':
    launch.run_tool(main)
