"""One process of a distributed evaluation; run by test_depth_metric.py."""

import json
import sys

import torch
import torch.distributed as dist
from mmengine.dataset import DefaultSampler

from llm_mde_mm.evaluation import MonocularDepthMetric, ValidationLoss


def work(pictures):
    """Evaluate this process's share; (share, [metrics], paths)."""
    depth = MonocularDepthMetric(
        crop=None, alignment=('none', 'median'), constant_baseline=True
    )
    loss = ValidationLoss()
    indices = list(DefaultSampler(pictures, shuffle=False))
    for i in indices:
        pred, gt = pictures[i]
        terms = None if i == 1 else dict(loss_ssi=float(pred.mean()))
        sample = dict(
            pred_depth_map=dict(data=pred),
            gt_depth_map=dict(data=gt),
            img_path=str(i),
            val_loss=terms,
        )
        depth.process(None, [sample])
        loss.process(None, [sample])
    metrics = [m.evaluate(len(pictures)) for m in (depth, loss)]
    return [len(indices), metrics, [p['img_path'] for p in depth.per_picture]]


if __name__ == '__main__':
    rank, folder = int(sys.argv[1]), sys.argv[2]
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    result = work(torch.load(f'{folder}/pictures.pt', weights_only=True))
    with open(f'{folder}/{rank}.json', 'w') as file:
        json.dump(result, file)
    dist.destroy_process_group()
