#!/usr/bin/env python
"""Add LoRA to the weights: ``python tools/merge_lora.py CONFIG CKPT OUT``."""

import argparse
from pathlib import Path

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
from mmseg.registry import MODELS

from llm_mde_mm.models.adapters import unload_adapters
from llm_mde_mm.utils.checkpoint import find_checkpoint, load_model
from llm_mde_mm.utils.checkpoint_writing import write_checkpoint
from llm_mde_mm.utils.errors import ConfigError


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write a full checkpoint with LoRA merged into the '
        "weights. It loads with finetune='frozen' of the part in the config."
    )
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint', help='checkpoint, or the work dir of a run (its best)'
    )
    parser.add_argument('out', help='file to write, *.pth')
    launch.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    """Merge."""
    args = parse_args()
    cfg = launch.load_config(args.config, args.cfg_options)
    source, out = find_checkpoint(args.checkpoint), Path(args.out)
    if out.suffix != '.pth':
        raise ConfigError(f'{out}: name it *.pth')
    model = MODELS.build(cfg.model)
    meta = load_model(model, source, cfg)['meta']
    layers = unload_adapters(model)
    if not layers:
        raise ConfigError(f'{args.config} has no LoRA: there is none to merge')
    meta['content'] = 'merged'
    write_checkpoint(dict(meta=meta, state_dict=model.state_dict()), out)
    parts = sorted({'.'.join(name.split('.')[:2]) for name in layers})
    options = ' '.join(f'model.{part}.finetune=frozen' for part in parts)
    print(f'{out}: LoRA of {len(layers)} layers is in the weights')
    print(f'use it with --cfg-options {options}')


if __name__ == '__main__':
    launch.run_tool(main)
