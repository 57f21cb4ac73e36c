#!/usr/bin/env python
"""Predict depth: ``python tools/predict.py CONFIG CHECKPOINT PICTURE``."""

import argparse

# The package comes first: it says what to do where OpenCV does not load.
from llm_mde_mm.apis import DepthInferencer, launch, save_prediction  # isort: skip
from tqdm import tqdm

from llm_mde_mm.apis.depth_inferencer import DTYPES
from llm_mde_mm.apis.picture_inputs import picture_files
from llm_mde_mm.apis.prediction_files import OUTPUTS, check_outputs


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Predict depth of pictures.')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint', help='checkpoint, or the work dir of a run (its best)'
    )
    parser.add_argument('picture', help='picture, or a folder of pictures')
    parser.add_argument('--out-dir', required=True, help='folder of results')
    parser.add_argument(
        '--outputs',
        nargs='+',
        choices=OUTPUTS,
        default=OUTPUTS,
        help='uint16 PNG in millimetres, float32 npy in metres, colour PNG',
    )
    parser.add_argument(
        '--batch-size', type=int, default=1, help='pictures at once (1)'
    )
    parser.add_argument('--device', help='such as cuda:0; a GPU if there is')
    parser.add_argument(
        '--dtype', choices=DTYPES, default='fp32', help='of the weights'
    )
    parser.add_argument(
        '--flip-tta',
        action='store_true',
        help="average with the mirrored picture's depth, in twice the time",
    )
    launch.add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    """Predict."""
    args = parse_args()
    files = picture_files(args.picture)
    check_outputs(files, args.out_dir, args.outputs)
    cfg = launch.load_config(args.config, args.cfg_options)
    inferencer = DepthInferencer(
        cfg, args.checkpoint, args.device, args.dtype, args.flip_tta
    )
    predictions = inferencer.iterate(files, args.batch_size)
    max_depth = inferencer.model.decode_head.max_depth
    for prediction in tqdm(predictions, total=len(files), unit='picture'):
        save_prediction(prediction, args.out_dir, args.outputs, max_depth)
    print(f'{len(files)} predictions: {args.out_dir}')


if __name__ == '__main__':
    launch.run_tool(main)
