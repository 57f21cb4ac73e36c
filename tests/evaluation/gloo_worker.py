"""One process of a distributed evaluation; run by test_depth_metric.py."""

import json
import sys

import torch
import torch.distributed as dist
from mmengine.dataset import DefaultSampler

from llm_mde_mm.evaluation import MonocularDepthMetric, ValidationLoss


def work(pictures):
    """Evaluate this process's share; (share, [metrics], [reports], paths)."""
    metrics = [
        MonocularDepthMetric(
            crop=None,
            alignment=('none', 'median', 'disparity'),
            constant_baseline=True,
        ),
        MonocularDepthMetric(crop=None, average='pooled', prefix='pooled'),
        ValidationLoss(),
    ]
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
        for metric in metrics:
            metric.process(None, [sample])
    scores = [metric.evaluate(len(pictures)) for metric in metrics]
    depth = metrics[:2]
    main = dist.get_rank() == 0 if dist.is_initialized() else True
    reports = [metric.report() for metric in depth] if main else []
    paths = [p['img_path'] for p in depth[0].per_picture]
    return [len(indices), scores, reports, paths]


def main(rank, folder):
    """Be one of two processes, if there are so many ranks, then of three."""
    pictures = torch.load(f'{folder}/pictures.pt', weights_only=True)
    for size in (2, 3):
        if rank >= size:
            continue
        dist.init_process_group(
            'gloo',
            init_method=f'file://{folder}/store{size}',
            rank=rank,
            world_size=size,
        )
        result = work(pictures)
        with open(f'{folder}/{size}_{rank}.json', 'w') as file:
            json.dump(result, file)
        dist.destroy_process_group()


if __name__ == '__main__':
    main(int(sys.argv[1]), sys.argv[2])
