"""The README's commands run and its configs build."""

import importlib.util
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from mmengine.config import Config

from llm_mde_mm.datasets.synthetic_rooms import SyntheticRooms
from tests.rooms_tree import write_rooms_tree

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()


def blocks(language):
    return re.findall(rf'```{language}\n(.*?)```', README, re.S)


def commands():
    text = '\n'.join(blocks('bash')).replace('\\\n', ' ')
    return [line for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize(
    'command', [c for c in commands() if c.startswith('python tools/')]
)
def test_tools_accept_the_commands(command, monkeypatch):
    _, tool, *arguments = shlex.split(command)
    spec = importlib.util.spec_from_file_location('tool', ROOT / tool)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr('sys.argv', [tool, *arguments])
    args = module.parse_args()
    if tool != 'tools/convert_adapter.py':  # which needs no config
        assert (ROOT / args.config).is_file()


def test_the_scripts_and_targets_exist():
    seen = 0
    for command in commands():
        words = shlex.split(command)
        if words[0] == 'make':
            makefile = (ROOT / 'Makefile').read_text()
            assert re.search(rf'^{words[1]}:', makefile, re.M)
        elif words[0].startswith('tools/'):
            assert (ROOT / words[0]).is_file()
            config = next(w for w in words if w.endswith('.py'))
            assert (ROOT / config).is_file()
        else:
            continue
        seen += 1
    assert seen >= 5


# What makes commands of minutes ones of seconds: fewer layers and pictures.
LOADER = dict(num_workers=0, persistent_workers=False)
ROOMS = dict(train_cfg=dict(max_epochs=1)) | {
    f'{split}_dataloader': dict(**LOADER, dataset=dict(num_rooms=8))
    for split in ('train', 'val', 'test')
}
NYU = dict(
    model=dict(
        backbone=dict(
            vision=dict(blocks=0),
            language=dict(num_layers=1),
            prototypes=dict(num_prototypes=20),
        )
    ),
    train_cfg=dict(max_epochs=1),
    train_dataloader=LOADER,
    val_dataloader=dict(
        **LOADER, dataset=dict(subset=dict(then=dict(evenly_spaced=4)))
    ),
    test_dataloader=LOADER,
)


@pytest.fixture(scope='module')
def clone(tmp_path_factory):
    """A folder that looks like a clone, with data where the README has it."""
    folder = tmp_path_factory.mktemp('clone')
    (folder / 'tools').symlink_to(ROOT / 'tools')
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    for name, changes in (
        ('llm_mde_nyu_fewshot.py', NYU),
        ('quickstart/rooms.py', ROOMS),
    ):
        with open(folder / 'configs' / name, 'a') as config:
            config.writelines(f'{k} = {v!r}\n' for k, v in changes.items())
    write_rooms_tree(folder / 'data' / 'nyu', train=40, val=2, test=2)
    (folder / 'my_pictures').mkdir()
    rooms = SyntheticRooms(num_rooms=1, size=(60, 80))
    for name in ('my_pictures/a.jpg', 'picture.jpg'):
        cv2.imwrite(str(folder / name), rooms[0]['img'])
    return folder


PATH = [str(Path(sys.executable).parent), os.environ['PATH']]


def follow(clone, command, **env):
    here = dict(
        PATH=os.pathsep.join(PATH),
        VIT_WEIGHTS='random',
        LLM_WEIGHTS='random',
        PYTHONPATH=os.pathsep.join([str(ROOT), os.environ['PYTHONPATH']]),
    )
    done = subprocess.run(
        shlex.split(command),
        cwd=clone,
        env={**os.environ, **here, **env},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_the_commands_of_the_main_job_run(clone):
    train, test, predict, benchmark = (
        next(c for c in commands() if c.startswith(f'python tools/{tool}.py'))
        for tool in ('train', 'test', 'predict', 'benchmark')
    )
    follow(clone, train)
    follow(clone, test)
    assert json.loads((clone / 'metrics.json').read_text())['pictures'] == 2
    assert (clone / 'show' / 'comparison.png').is_file()
    follow(clone, predict)
    assert cv2.imread(str(clone / 'depth' / 'a.png'), -1).shape[:2] == (60, 80)
    quick = '--repeats 1 --batch-size 1 --input-size 60 80'
    assert 'ms' in follow(clone, f'{benchmark} {quick}')


def test_the_quickstart_and_the_python_example_run(clone, monkeypatch):
    recipe = subprocess.run(
        ['make', '--dry-run', 'quickstart'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.replace('\\\n', ' ')
    steps = [line for line in recipe.splitlines() if ' tools/' in line]
    assert len(steps) == 2
    for step in steps:
        follow(clone, step.replace('.venv/bin/python', 'python'))
    assert (clone / 'work_dirs/quickstart/comparison.png').is_file()
    (example,) = (b for b in blocks('python') if 'DepthInferencer' in b)
    (clone / 'example.py').write_text(example)
    monkeypatch.chdir(clone)
    depth = runpy.run_path('example.py')['depth']
    assert depth.shape == (60, 80) and depth.dtype == 'float32'


def test_the_slurm_script_starts_a_job(clone):
    """With srun and scontrol that do for one process what theirs do."""
    (clone / 'bin').mkdir()
    for name, text in dict(
        srun='while [ "$1" != python ]; do shift; done; exec "$@"',
        scontrol='echo 127.0.0.1',
    ).items():
        (clone / 'bin' / name).write_text(f'#!/bin/bash\n{text}\n')
        (clone / 'bin' / name).chmod(0o755)
    follow(
        clone,
        'tools/slurm_train.sh partition job configs/quickstart/rooms.py',
        PATH=os.pathsep.join([str(clone / 'bin'), *PATH]),
        MASTER_PORT='29523',
        SLURM_NODELIST='node1',
        SLURM_PROCID='0',
        SLURM_NTASKS='1',
        SLURM_LOCALID='0',
    )
    assert (clone / 'work_dirs/rooms/epoch_1.pth').is_file()


def test_the_five_line_config_works(tmp_path, monkeypatch):
    monkeypatch.setenv('LLM_WEIGHTS', 'random')
    text = next(b for b in blocks('python') if b.startswith('_base_'))
    path = tmp_path / 'five_lines.py'
    path.write_text(text.replace("'configs/", f"'{ROOT}/configs/"))
    backbone = Config.fromfile(path).model.backbone
    assert backbone.language.weights == 'openai-community/gpt2'
    assert backbone.prompt.mode == 'fixed'
    assert backbone.vision.type == 'TimmViT'


def test_pictures_and_links_exist():
    links = re.findall(r'\]\(([^)#]+)\)', README)
    local = [link for link in links if not link.startswith('http')]
    assert local
    for link in local:
        assert (ROOT / link).exists(), link
