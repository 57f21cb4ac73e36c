"""Two processes agree on what stops them, and share their gradients."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from llm_mde_mm.engine.sharded_parts import _clip_whole

WORKER = Path(__file__).with_name('gloo_worker.py')


def test_two_processes_act_alike(tmp_path):
    here = dict(PYTHONPATH=str(Path(__file__).parents[2]), OMP_NUM_THREADS='1')
    processes = [
        subprocess.Popen(
            [sys.executable, WORKER, str(rank), str(tmp_path)],
            env=os.environ | here,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
    both = [json.loads((tmp_path / f'{r}.json').read_text()) for r in (0, 1)]
    for result in both:
        assert result['votes'] == [True, False, True]
        assert result['gradient'] == [[1.5, 4.0]]
        assert result['weight'] == [[1.0, 1.0]]
        # The first process, which writes the log, names the other's file.
        culprit = 'the loss of step 1 is not finite; the batch is 1.jpg '
        assert result['refusal'].startswith(culprit + '(process 1). ')
        (warning,) = result['skipped']
        assert warning.startswith(culprit + '(process 1). Skipped: 1 of')
        (warning,) = result['gradient_skipped']
        assert 'the batch is 0.jpg (process 0); 1.jpg (process 1)' in warning


@pytest.mark.parametrize('kind', [2.0, 1, 'inf', float('inf')])
def test_a_whole_gradient_is_clipped_as_torch_does_it(kind):
    ours, theirs = (
        [torch.nn.Parameter(torch.zeros(2)) for _ in range(2)]
        for _ in range(2)
    )
    for parameters in (ours, theirs):
        parameters[0].grad = torch.tensor([30.0, -40.0])
        parameters[1].grad = torch.tensor([0.0, 5.0])
    norm = _clip_whole(ours, 1.0, kind)
    expected = torch.nn.utils.clip_grad_norm_(theirs, 1.0, float(kind))
    torch.testing.assert_close(norm, expected)
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.grad, b.grad)
