"""Each row of the tables changes one thing, and its model runs."""

import json

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from llm_mde_mm.apis.tables import find_rows, make_run
from llm_mde_mm.datasets.splits import choose
from tests.tools.conftest import ROOT

TABLES = ROOT / 'configs/tables'
ROWS = [
    path
    for folder in sorted(TABLES.iterdir())
    if folder.name != '_base_'
    for path in find_rows(folder)
]
SUBSET = 'train_dataloader.dataset.subset'
LANGUAGE, VISION = 'model.backbone.language', 'model.backbone.vision'
NO_PATH = {
    'model.neck.vision_channels',
    'model.decode_head.picture_channels',
}
# What a row may change beside the recipe, by its table or its own name.
FACTORS = {
    'table1': {SUBSET},
    'table2': {
        *('train_scene', 'test_scenes', SUBSET),
        *('val_dataloader.dataset.subset', 'test_dataloader.dataset.subset'),
    },
    'table3': {'model.backbone.prompt.mode'},
    'table4': {f'{VISION}.finetune', f'{LANGUAGE}.finetune'},
    'vit_lora': {f'{VISION}.lora.rank', f'{VISION}.lora.alpha'},
    'llm_lora': {f'{LANGUAGE}.lora.rank', f'{LANGUAGE}.lora.alpha'},
    'batch': {'train_dataloader.batch_size'},
    'lr': {'optim_wrapper.optimizer.lr'},
    '0_default': set(),
    '1_language': set(),
    '2_identity': {f'{LANGUAGE}.control'},
    '3_random': {f'{LANGUAGE}.control'},
    '4_attention': {f'{LANGUAGE}.control'},
    '5_no_language': {'model.backbone'},
    '6_other_prompt': {'model.backbone.prompt.type'},
    '7_no_path': NO_PATH,
    **dict.fromkeys(
        ('8_conv_head', '12_conv_head_gn'),
        {
            *('model.backbone', 'model.decode_head', 'train_pipeline'),
            *('train_dataloader.dataset.pipeline', 'train_cfg'),
        },
    ),
    **dict.fromkeys(
        ('9_no_path_identity', '10_no_path_random', '11_no_path_attention'),
        {*NO_PATH, f'{LANGUAGE}.control'},
    ),
    '13_no_path_no_language': {*NO_PATH, 'model.backbone'},
    '14_no_path_other_prompt': {*NO_PATH, 'model.backbone.prompt.type'},
    '15_no_language_lora': {'model.backbone'},
    '16_light': {f'{LANGUAGE}.num_layers', 'model.backbone.prototypes'},
    'vit': {
        *('vit_name', 'vit_weights', f'{VISION}.model_name'),
        *(f'{VISION}.weights', 'model.data_preprocessor.model_name'),
        'model.data_preprocessor.weights',
    },
    'llm': {'llm_weights', f'{LANGUAGE}.weights', f'{LANGUAGE}.config'},
}

# Rows that are the recipe.
RECIPE = (
    *('table3/3_adaptive', 'table4/3_lora_lora', 'table5/0_default'),
    'controls/1_language',
)
OWN_WEIGHTS = ('CLIP', 'DINOV2', 'BERT', 'MPNET', 'MINILM', 'GPT2')


def identify(path):
    return f'{path.parent.name}/{path.stem}'


def factor(path):
    for name in (path.parent.name, path.stem, path.stem.rsplit('_', 1)[0]):
        if name in FACTORS:
            return FACTORS[name]
    return FACTORS[path.stem.split('_')[0]]


def flat(value, start=''):
    if isinstance(value, dict) and value:
        return {
            key: leaf
            for name, part in value.items()
            for key, leaf in flat(part, f'{start}.{name}').items()
        }
    return {start[1:]: value}


def changed(path):
    """Dotted keys that differ from the recipe's."""
    row = flat(Config.fromfile(path).to_dict())
    base = flat(Config.fromfile(TABLES / '_base_/recipe.py').to_dict())
    missing = object()
    return {
        key
        for key in row.keys() | base.keys()
        if row.get(key, missing) != base.get(key, missing)
    }


@pytest.mark.parametrize('path', ROWS, ids=identify)
def test_a_row_changes_one_factor(path):
    allowed = factor(path)
    other = {
        key
        for key in changed(path)
        if not any(
            key == part or key.startswith(f'{part}.') for part in allowed
        )
    }
    assert not other
    # A recipe that comes to have a row's value leaves the row without one;
    # the backbones have it among them.
    if path.parent.name != 'backbones':
        assert bool(changed(path)) == (identify(path) not in RECIPE)
    text = path.read_text()
    assert f'Command: python tools/run_table.py {path.parent.name} ' in text
    assert f'--rows {path.stem}\n' in text


def test_rows_that_are_the_recipe_are_equal_runs():
    runs = [make_run(TABLES / f'{row}.py', 1) for row in RECIPE]
    assert len({run.digest for run in runs}) == 1


# A made-up set with as many pictures of each type as the comment says.
NAMES = [
    f'{scene}_{i:05d}'
    for scene, count in dict(kitchen=70, study=2, bathroom=5).items()
    for i in range(count)
]


@pytest.mark.parametrize(
    ('row', 'counts'),
    [
        ('table1/few_shot', dict(kitchen=1, study=1, bathroom=1)),
        ('table1/shot_1', dict(kitchen=1, study=1, bathroom=1)),
        ('table1/shot_3', dict(kitchen=3, study=2, bathroom=3)),
        ('table1/pictures_60', dict(kitchen=60, study=2, bathroom=5)),
        ('table2/kitchen', dict(kitchen=70)),
        ('table2/nyu_bathroom', dict(bathroom=5)),
    ],
)
def test_what_a_row_trains_on(row, counts):
    draws = []
    for seed in (0, 1):
        cfg = make_run(TABLES / f'{row}.py', seed).cfg
        chosen = choose(NAMES, cfg.train_dataloader.dataset.subset)
        scenes = [name.rpartition('_')[0] for name in chosen]
        assert {s: scenes.count(s) for s in set(scenes)} == counts
        draws.append(chosen)
    assert (draws[0] == draws[1]) == row.startswith('table2')


@pytest.fixture
def tiny_recipe(tmp_path, monkeypatch):
    """The quickstart's model in every row's place of the recipe."""
    path = tmp_path / 'tiny.py'
    path.write_text(f"_base_ = '{ROOT}/configs/quickstart/rooms.py'\n")
    monkeypatch.setenv('TABLES_BASE', str(path))


def distinct(paths):
    """One row of each kind of model, by its text."""
    models = {}
    for path in paths:
        model = Config.fromfile(path).model
        models.setdefault(json.dumps(model, sort_keys=True), (path, model))
    return list(models.values())


def test_every_rows_model_predicts(tiny_recipe):
    paths = [p for p in ROWS if p.parent.name != 'backbones']
    cases = distinct(paths)
    assert len(cases) == 25
    inputs = torch.randn(2, 3, 96, 128)
    for path, cfg in cases:
        model = MODELS.build(cfg).eval()
        with torch.no_grad():
            depth = model(inputs)
        assert depth.shape == (2, 1, 96, 128), path
        assert depth.min() > 0, path


@pytest.mark.parametrize('path', find_rows(TABLES / 'backbones'), ids=identify)
def test_every_backbones_model_predicts(path, monkeypatch):
    for name in ('VIT', 'LLM', *OWN_WEIGHTS):
        monkeypatch.setenv(f'{name}_WEIGHTS', 'random')
    cfg = Config.fromfile(path).model
    language = cfg.backbone.language.config.model_type
    family = path.stem.split('_')[1]
    expected = family if path.stem.startswith('llm') else 'bert'
    assert language == expected.replace('minilm', 'bert')
    # As wide as they are, but the vision model is cut behind two blocks and
    # the language model behind one.
    cfg.backbone.vision.blocks = [0, 1]
    cfg.backbone.language.num_layers = 1
    cfg.backbone.language.tokenizer = None
    cfg.backbone.prototypes.num_prototypes = 4
    model = MODELS.build(cfg).eval()
    patch = 14 if path.stem == 'vit_dinov2' else 16
    assert model.backbone.vision.grid_size == (224 // patch,) * 2
    with torch.no_grad():
        depth = model(torch.randn(1, 3, 224, 224))
    assert depth.shape == (1, 1, 224, 224)
