#!/usr/bin/env python
"""Show what training sees: ``browse_dataset.py CONFIG --out FILE.png``."""

import argparse
from itertools import islice
from pathlib import Path

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import launch  # isort: skip
from mmseg.registry import DATA_SAMPLERS, DATASETS

from llm_mde_mm.datasets import SeededSampler
from llm_mde_mm.utils.depth_io import write_picture
from llm_mde_mm.utils.errors import ConfigError
from llm_mde_mm.visualization.pair_sheet import PairCell, pair_sheet


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Draw augmented pictures beside their depth.'
    )
    parser.add_argument('config', help='config file')
    parser.add_argument('--out', required=True, help='PNG to write')
    parser.add_argument(
        '--num', type=int, default=8, help='pictures, the first of the epoch'
    )
    parser.add_argument(
        '--epoch', type=int, default=0, help='whose draws to show, from 0'
    )
    launch.add_cfg_options(parser)
    return parser.parse_args()


def cell(item: dict) -> PairCell:
    """Return a packed item as a cell of the sheet.

    Raises:
        ConfigError: The pipeline loads no depth or does not pack.
    """
    sample = item.get('data_samples')
    if sample is None or 'gt_depth_map' not in sample:
        raise ConfigError(
            'the training pipeline gives no gt_depth_map: it needs LoadDepth '
            'and, at its end, PackSegInputs'
        )
    return PairCell(
        item['inputs'].numpy()[::-1].transpose(1, 2, 0).copy(),
        sample.gt_depth_map.data[0].numpy(),
        Path(sample.metainfo.get('img_path', '')).name,
    )


def main() -> None:
    """Load, augment and draw."""
    args = parse_args()
    if args.num < 1 or args.epoch < 0:
        raise ConfigError('--num must be 1 or more, --epoch 0 or more')
    cfg = launch.load_config(args.config, args.cfg_options)
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    seed = cfg.get('randomness', {}).get('seed') or 0
    sampler = DATA_SAMPLERS.build(
        cfg.train_dataloader.sampler,
        default_args=dict(dataset=dataset, seed=seed),
    )
    if not isinstance(sampler, SeededSampler):
        raise ConfigError(
            f'train_dataloader.sampler is a {type(sampler).__name__}, with '
            'which draws do not depend on the epoch: what is shown here '
            'would not be what training sees; use SeededSampler'
        )
    sampler.set_epoch(args.epoch)
    indices = list(islice(sampler, args.num))
    cells = [cell(dataset[index]) for index in indices]
    title = f'{Path(args.config).stem}, epoch {args.epoch}'
    out = Path(args.out)
    write_picture(out, pair_sheet(cells, title)[..., ::-1])
    print(f'{len(cells)} of {len(dataset)} pictures: {out}')


if __name__ == '__main__':
    launch.run_tool(main)
