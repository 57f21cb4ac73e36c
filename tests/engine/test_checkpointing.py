"""What runs save, and that they load it and nothing else."""

import copy
import os
import shutil
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapperDict, build_optim_wrapper
from mmseg.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS

from llm_mde_mm.models.adapters import unload_adapters
from llm_mde_mm.utils.adapter_file import write_adapter
from llm_mde_mm.utils.checkpoint import (
    find_checkpoint,
    load_model,
    read_checkpoint,
    resumable_checkpoints,
)
from llm_mde_mm.utils.checkpoint_writing import write_checkpoint
from llm_mde_mm.utils.errors import ConfigError, WeightsError
from llm_mde_mm.utils.settings import other_settings, settings_text


def folder(cfg):
    return Path(cfg.work_dir)


def raw(path):
    return torch.load(path, weights_only=True)


def equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    return all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_an_adapter_holds_what_was_trained(finished):
    cfg, _, state = finished('pretrained')
    saved = raw(folder(cfg) / 'epoch_2.pth')
    model = MODELS.build(cfg.model)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    frozen = state.keys() - trained
    # Position embeddings are resampled, which rounds as the machine does.
    resampled = {'backbone.vision.model.pos_embed'}
    assert saved['state_dict'].keys() == trained | resampled
    assert saved['base'].keys() == frozen - resampled
    assert {'optimizer', 'param_schedulers', 'message_hub'} < saved.keys()
    assert saved['meta']['pretrained'].keys() == {
        'backbone.vision',
        'backbone.language',
    }
    load_model(model, folder(cfg) / 'epoch_2.pth')
    assert equal(model.state_dict(), state)


def test_an_adapter_is_as_large_as_what_was_trained(finished):
    cfg, _, state = finished('pretrained')
    trained = sum(
        p.numel() * p.element_size()
        for p in MODELS.build(cfg.model).parameters()
        if p.requires_grad
    )
    saved = raw(next(folder(cfg).glob('best_*.pth')))
    held = sum(
        t.numel() * t.element_size() for t in saved['state_dict'].values()
    )
    assert held <= 1.05 * trained
    everything = sum(t.numel() * t.element_size() for t in state.values())
    assert everything > 1.5 * trained


def test_an_adapter_as_safetensors_keeps_to_its_base(
    base, finished, train, tmp_path
):
    cfg, _, state = finished('pretrained')
    best = read_checkpoint(folder(cfg) / 'epoch_2.pth')
    path = tmp_path / 'a.safetensors'
    write_adapter(best, path)
    about = read_checkpoint(path)
    assert about['base'] == best['base'] != {}
    assert about['state_dict'].keys() == best['state_dict'].keys()
    assert str(tmp_path.parent) not in str(about['meta'])
    model = MODELS.build(cfg.model)
    load_model(model, path, cfg)
    assert equal(model.state_dict(), state)
    wide = copy.deepcopy(cfg)
    wide.model.decode_head.max_depth = 80.0
    with pytest.raises(WeightsError, match='a.safetensors.*max_depth: 10.0'):
        load_model(MODELS.build(wide.model), path, wide)
    train(cfg, load_from=str(path), **{'train_cfg.max_epochs': 1})
    torch.manual_seed(1)  # not that of the first base
    cfg.model.backbone.language.weights = str(base() / 'bert')
    with pytest.raises(WeightsError, match='a.safetensors.*another frozen'):
        train(cfg, load_from=str(path))


def test_full_holds_all(base, run_cfg, train):
    cfg = run_cfg(
        base(), epochs=1, **{'default_hooks.checkpoint.content': 'full'}
    )
    runner = train(cfg)
    saved = raw(folder(cfg) / 'epoch_1.pth')
    assert equal(saved['state_dict'], dict(runner.model.state_dict()))
    assert 'base' not in saved
    # It brings its base along, and an adapter of it does so too.
    other = run_cfg(base(), epochs=2)
    resumed = train(
        other, resume=True, load_from=str(folder(cfg) / 'epoch_1.pth')
    )
    adapter = raw(folder(other) / 'epoch_2.pth')
    words = 'backbone.language.model.embeddings.word_embeddings.weight'
    assert words in adapter['state_dict'] and words not in adapter['base']
    model = MODELS.build(other.model)
    load_model(model, folder(other) / 'epoch_2.pth')
    assert equal(model.state_dict(), resumed.model.state_dict())


def test_random_frozen_weights_are_saved(finished):
    cfg, _, state = finished('random')
    saved = raw(folder(cfg) / 'epoch_2.pth')
    assert equal(saved['state_dict'], dict(state)) and 'base' not in saved


@pytest.mark.parametrize('content', ['adapter', 'full'])
def test_a_cut_run_ends_as_the_uncut_one(base, run_cfg, train, content):
    options = {
        'default_hooks.checkpoint.content': content,
        'custom_hooks': [dict(type='EMAHook', momentum=0.3)],
    }
    for module in ('reprogramming', 'language'):
        options[f'model.backbone.{module}.dropout'] = 0.0
    cfg = run_cfg(base(), epochs=3, **options)
    uncut = train(cfg, work_dir=cfg.work_dir + '_uncut')
    # Cut behind the second epoch, under the schedule of three.
    shutil.copytree(cfg.work_dir + '_uncut', cfg.work_dir)
    (folder(cfg) / 'epoch_3.pth').unlink()
    resumed = train(cfg, resume=True)
    assert resumed.iter == uncut.iter == 6
    assert equal(resumed.model.state_dict(), uncut.model.state_dict())
    files = [
        raw(Path(path) / 'epoch_3.pth')
        for path in (cfg.work_dir, uncut.work_dir)
    ]
    assert equal(*(file['ema_state_dict'] for file in files))
    assert not equal(
        {k: v for k, v in files[0]['state_dict'].items() if 'lora' in k},
        {k: v for k, v in resumed.model.state_dict().items() if 'lora' in k},
    )
    for ours, theirs in zip(
        *(f['optimizer']['state'].values() for f in files), strict=True
    ):
        assert equal(ours, theirs)
    hubs = [file['message_hub'] for file in files]
    assert torch.equal(
        *(h['log_scalars']['train/loss']['values'] for h in hubs)
    )
    assert (
        hubs[0]['runtime_info']['best_score']
        == (hubs[1]['runtime_info']['best_score'])
    )


def test_another_base(base, finished, train):
    cfg, ours, _ = finished('pretrained')
    torch.manual_seed(1)  # not that of the first base
    cfg.model.backbone.language.weights = str(base() / 'bert')
    path = folder(cfg) / 'epoch_2.pth'
    match = r'epoch_2.pth.*another frozen base: backbone.language \(\d+ of'
    with pytest.raises(WeightsError, match=match) as error:
        load_model(MODELS.build(cfg.model), path)
    assert 'backbone.vision (' not in str(error.value)
    assert str(ours / 'bert') in str(error.value)
    for options in (dict(load_from=str(path)), dict(resume=True)):
        with pytest.raises(WeightsError, match=match):
            train(cfg, **options)


def test_another_config(finished, run_cfg, train):
    cfg, weights, _ = finished('pretrained')
    wider = run_cfg(weights, **{'model.backbone.vision.lora.rank': 3})
    match = r'epoch_2.pth belongs to another config.*lora_A'
    with pytest.raises(WeightsError, match=match):
        train(wider, resume=True)
    frozen = run_cfg(weights, **{'model.backbone.vision.finetune': 'frozen'})
    with pytest.raises(
        WeightsError, match=r'of its own are not in .*base_layer'
    ):
        train(frozen, load_from=str(folder(cfg) / 'epoch_2.pth'))
    cosine = run_cfg(weights, param_scheduler=[dict(type='ConstantLR')])
    with pytest.raises(WeightsError, match='param_scheduler is another'):
        train(cosine, resume=True)


OTHER_SETTINGS = {
    'model.decode_head.max_depth': (80.0, '10.0, 80.0'),
    'model.backbone.prompt.mode': ('fixed', "'adaptive', 'fixed'"),
    'optim_wrapper.optimizer.lr': (7e-5, '{}, 7e-05'),
    'optim_wrapper.optimizer.weight_decay': (0.5, '{}, 0.5'),
    'param_scheduler.1.T_max': (3, 'None, 3'),
    'randomness.seed': (9, '0, here 9'),
}


@pytest.mark.parametrize('key', OTHER_SETTINGS)
def test_other_settings_are_not_gone_on_with(finished, train, key):
    cfg, _, _ = finished('random')
    value, said = OTHER_SETTINGS[key]
    if '{}' in said:
        said = said.format(cfg.optim_wrapper.optimizer[key.split('.')[-1]])
    with pytest.raises(WeightsError, match=rf'epoch_2.pth.*{key}.*{said}'):
        train(cfg, resume=True, **{key: value})


def test_several_optimizers_are_refused(run_cfg, train):
    one = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
    several = dict(constructor='TwoRates', decode_head=one, neck=one)
    cfg = run_cfg(epochs=1)
    cfg.optim_wrapper = several
    with pytest.raises(ConfigError, match='paramwise_cfg.custom_keys'):
        train(cfg)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class TwoRates:
    def __init__(self, optim_wrapper_cfg, paramwise_cfg=None):
        self.cfg = optim_wrapper_cfg

    def __call__(self, model):
        return OptimWrapperDict(
            **{
                name: build_optim_wrapper(getattr(model, name), cfg)
                for name, cfg in self.cfg.items()
            }
        )


def test_another_tokeniser_is_another_setting():
    def model(**kwargs):
        return dict(model=dict(type='HFLanguageModel', **kwargs))

    meta = dict(settings=settings_text(model(tokenizer='/a/one')))
    found = other_settings(meta, 'x.pth', model())
    assert found == ["model.tokenizer: 'one', None"]
    assert not other_settings(meta, 'x.pth', model(tokenizer='/b/one'))


@pytest.mark.parametrize(
    ('theirs', 'ours', 'found'),
    [
        (dict(rank=2), dict(rank=2, alpha=128), ['model.lora.alpha: 16, 128']),
        (None, dict(rank=8, alpha=64), ['model.lora.alpha: 16, 64']),
        (None, dict(rank=8, alpha=16), []),
    ],
)
def test_adapters_are_compared_with_their_defaults(theirs, ours, found):
    there, here = (
        dict(model=dict(type='HFLanguageModel', lora=lora))
        for lora in (theirs, ours)
    )
    meta = dict(settings=settings_text(there))
    assert other_settings(meta, 'x.pth', here) == found
    merged = dict(model=dict(type='HFLanguageModel', finetune='frozen'))
    assert not other_settings(meta, 'x.pth', merged)


@pytest.mark.parametrize(
    ('key', 'inside'),
    [('config', dict(hidden_act='relu')), ('paramwise_cfg', dict(a=1))],
)
def test_what_has_no_known_default_counts_as_none(key, inside):
    def model(**kwargs):
        return dict(model=dict(type='HFLanguageModel', **kwargs))

    value = f'model.{key}.{next(iter(inside))}: None, '
    meta = dict(settings=settings_text(model(**{key: dict(b=2)})))
    (found,) = other_settings(meta, 'x.pth', model(**{key: dict(inside, b=2)}))
    assert found.startswith(value)
    meta = dict(settings=settings_text(model()))
    (found,) = other_settings(meta, 'x.pth', model(**{key: inside}))
    assert found.startswith(f'model.{key}: None, ')


def test_what_a_run_may_change_as_it_goes_on(finished, train, tmp_path):
    cfg, _, _ = finished('random')
    runner = train(
        cfg,
        resume=True,
        **{
            'train_cfg.max_epochs': 3,
            'model.test_cfg': dict(mode='whole', flip=True),
            'model.backbone.language.weights': 'random',
            'model.backbone.language.attn_implementation': 'eager',
            # The default, by name.
            'model.decode_head.min_depth': 1e-3,
            'optim_wrapper.accumulative_counts': 2,
            'train_dataloader.num_workers': 1,
            'custom_hooks': [dict(type='FiniteLossHook')],
        },
    )
    assert runner.epoch == 3


def test_other_settings_for_a_prediction(finished, train):
    cfg, _, _ = finished('random')
    path = folder(cfg) / 'epoch_2.pth'
    head, backbone = cfg.model.decode_head, cfg.model.backbone
    head.max_depth = 80.0
    match = r'model.decode_head.max_depth: 10.0, 80.0'
    with pytest.raises(WeightsError, match=match):
        load_model(MODELS.build(cfg.model), path, cfg)
    # Weights of one range are where a training for another may start.
    runner = train(cfg, load_from=str(path), **{'train_cfg.max_epochs': 1})
    log = next(folder(cfg).glob(f'{runner.timestamp}/*.log')).read_text()
    assert 'model.decode_head.max_depth: 10.0, 80.0' in log
    (path,) = folder(cfg).glob('before_*/epoch_2.pth')
    head.pop('max_depth')
    backbone.prompt.mode = 'fixed'
    with pytest.raises(WeightsError, match="prompt.mode: 'adaptive', 'fixed"):
        load_model(MODELS.build(cfg.model), path, cfg)
    backbone.prompt.mode = 'adaptive'
    # None of these changes what the weights predict.
    head.max_depth = 10.0
    head.initial_depth = 3.0
    head.loss_decode = [dict(type='ScaleInvariantLogLoss', loss_weight=9.0)]
    backbone.language.attn_implementation = 'eager'
    backbone.language.dropout = backbone.vision.lora.dropout = 0.5
    backbone.prompt.dataset = 'corridor photograph with metric depth.'
    cfg.model.data_preprocessor.size_divisor = 16
    cfg.model.test_cfg = dict(flip=True)
    load_model(MODELS.build(cfg.model), path, cfg)


def test_settings_that_are_no_text(finished):
    cfg, _, _ = finished('random')
    path = folder(cfg) / 'epoch_2.pth'
    whole = raw(path)
    for settings in (3, '[' * 10**5, '[]'):
        whole['meta']['settings'] = settings
        torch.save(whole, path)
        with pytest.raises(WeightsError, match='epoch_2.pth: its settings'):
            load_model(MODELS.build(cfg.model), path, cfg)


def test_averaged_weights_are_not_gone_on_from(run_cfg, train):
    ema = [dict(type='EMAHook', momentum=0.3)]
    cfg = run_cfg(epochs=1, custom_hooks=ema)
    train(cfg)
    with pytest.raises(WeightsError, match='averages of an EMAHook'):
        train(cfg, resume=True, custom_hooks=[])


def test_a_loss_scaler_is_not_lost(finished, train):
    cfg, _, _ = finished('random')
    path = folder(cfg) / 'epoch_2.pth'
    whole = raw(path)
    scaler = torch.amp.GradScaler('cpu', init_scale=8.0)
    whole['optimizer']['loss_scaler'] = scaler.state_dict()
    torch.save(whole, path)
    with pytest.raises(WeightsError, match='only it has the loss scaler'):
        train(cfg, resume=True)


@pytest.mark.parametrize('settings', [True, False])
def test_another_optimizer(finished, train, settings):
    cfg, _, _ = finished('random')
    path = folder(cfg) / 'epoch_2.pth'
    whole = raw(path)
    if not settings:
        del whole['meta']['settings']
        torch.save(whole, path)
    sgd = dict(type='SGD', lr=1e-3, momentum=0.9)
    other = {'optim_wrapper.optimizer': dict(sgd, _delete_=True)}
    with pytest.raises(WeightsError, match='betas.*the one here.*momentum'):
        train(cfg, resume=True, **other)
    # The options of the two are the same.
    adam = {'optim_wrapper.optimizer.type': 'Adam'}
    if settings:
        with pytest.raises(WeightsError, match='optimizer.type: AdamW, Adam'):
            train(cfg, resume=True, **adam)


def test_a_best_checkpoint_is_no_place_to_go_on_from(finished, train):
    cfg, _, _ = finished('random')
    best = next(folder(cfg).glob('best_*.pth'))
    with pytest.raises(WeightsError, match='cannot be resumed.*optimizer'):
        train(cfg, resume=True, load_from=str(best))
    started = train(cfg, load_from=str(best), **{'train_cfg.max_epochs': 1})
    assert started.iter == 2


def test_a_state_of_another_optimizer(finished, train):
    cfg, _, _ = finished('random')
    path = folder(cfg) / 'epoch_2.pth'
    whole = raw(path)
    state = next(iter(whole['optimizer']['state'].values()))
    state['exp_avg'] = torch.zeros(1).expand(10**9)
    torch.save(whole, path)
    with pytest.raises(WeightsError, match='does not continue this run'):
        train(cfg, resume=True)
    whole['optimizer'] = dict(state={}, param_groups=[])
    torch.save(whole, path)
    with pytest.raises(WeightsError, match='does not continue this run'):
        train(cfg, resume=True)


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize('way', ['resume', 'resume_from', 'load_from'])
@pytest.mark.parametrize('place', ['pickle', 'config'])
def test_a_hostile_file_is_not_run(run_cfg, train, tmp_path, way, place):
    cfg, target = run_cfg(), tmp_path / 'executed'
    path = folder(cfg) / 'epoch_1.pth'
    folder(cfg).mkdir()
    if place == 'pickle':
        meta = dict(epoch=Hostile(target), iter=1)
    else:
        meta = dict(config=f'__import__("os").mkdir({str(target)!r})')
        Config.fromstring(meta['config'], file_format='.py')
        target.rmdir()
    torch.save(dict(state_dict={}, meta=meta), path)
    options = {
        'resume': dict(resume=True),
        'resume_from': dict(resume=True, load_from=str(path)),
        'load_from': dict(load_from=str(path)),
    }[way]
    with pytest.raises(WeightsError, match='epoch_1.pth is not loaded'):
        train(cfg, **options)
    assert not target.exists()


def test_names_in_a_checkpoint_reach_no_other_folder(finished, train):
    cfg, _, _ = finished('random')
    path, outside = folder(cfg) / 'epoch_2.pth', folder(cfg).parent / 'x.pth'
    outside.touch()
    whole = raw(path)
    whole['message_hub']['runtime_info'].update(
        best_ckpt=str(outside),
        best_score=1e9,
        outdated_ckpts=[str(outside), '../x.pth'],
        keep_ckpt_ids=['/../../x', 1, 2],
    )
    torch.save(whole, path)
    train(cfg, resume=True, **{'train_cfg.max_epochs': 3})
    assert outside.is_file()
    # Which of the two is better is not the matter here.
    assert list(folder(cfg).glob('best_loss_epoch_[23].pth'))


def test_what_a_hook_adds_is_kept(run_cfg, train):
    from mmengine.hooks import Hook
    from mmseg.registry import HOOKS

    seen = []

    @HOOKS.register_module(force=True)
    class ResumeStateHook(Hook):
        def before_save_checkpoint(self, runner, checkpoint):
            checkpoint['resume_state'] = dict(
                random=torch.arange(3), at=(1, 2)
            )

        def after_load_checkpoint(self, runner, checkpoint):
            seen.append(checkpoint['resume_state'])

    hooks = [dict(type='ResumeStateHook')]
    cfg = run_cfg(epochs=1, custom_hooks=hooks)
    train(cfg)
    train(cfg, resume=True, **{'train_cfg.max_epochs': 2})
    assert seen[0]['at'] == (1, 2)
    assert seen[0]['random'].tolist() == [0, 1, 2]

    def add_object(self, runner, checkpoint):
        checkpoint['resume_state'] = dict(runner=runner)

    ResumeStateHook.before_save_checkpoint = add_object
    match = r"checkpoint\['resume_state'\]\['runner'\] is a DepthRunner"
    with pytest.raises(WeightsError, match=match):
        train(cfg)


def test_a_parameter_set_free_is_saved(finished, train):
    cfg, _, _ = finished('pretrained')
    runner = train(cfg, resume=True)
    name = 'backbone.vision.model.norm.weight'
    assert name in runner.frozen_base()
    runner.model.get_parameter(name).requires_grad_(True)
    runner.save_checkpoint(cfg.work_dir, 'freed.pth')
    assert name in raw(folder(cfg) / 'freed.pth')['state_dict']


def test_merged_weights_predict_the_same(finished, run_cfg, train):
    cfg, weights, _ = finished('pretrained')
    model = MODELS.build(cfg.model).eval()
    meta = load_model(model, folder(cfg) / 'epoch_2.pth', cfg)['meta']
    inputs = torch.randn(2, 3, 32, 48)
    with torch.no_grad():
        want = model(inputs)
        plain = MODELS.build(cfg.model).eval()(inputs)
        assert (want - plain).abs().max() > 1e-4
        layers = unload_adapters(model)
    assert len(layers) == 2 * 2 + 2 * 4
    merged = folder(cfg) / 'merged.pth'
    write_checkpoint(dict(meta=meta, state_dict=model.state_dict()), merged)
    frozen = run_cfg(
        weights,
        epochs=1,
        **{
            'model.backbone.vision.finetune': 'frozen',
            'model.backbone.language.finetune': 'frozen',
        },
    )
    other = MODELS.build(frozen.model).eval()
    load_model(other, merged, frozen)
    with torch.no_grad():
        assert (other(inputs) - want).abs().max() <= 1e-5
    # What is trained on top of it keeps the merged weights.
    runner = train(frozen, load_from=str(merged))
    again = MODELS.build(frozen.model)
    load_model(again, folder(frozen) / 'epoch_1.pth')
    assert equal(again.state_dict(), runner.model.state_dict())


@pytest.mark.parametrize(
    ('options', 'match'),
    [
        (dict(content='lora'), "content is 'lora'"),
        (dict(published_keys=['meta']), 'published_keys'),
        (dict(intervall=2), 'intervall'),
    ],
)
def test_arguments_that_are_none(run_cfg, train, options, match):
    hook = dict(type='SafeCheckpointHook', **options)
    with pytest.raises(ConfigError, match=match):
        train(run_cfg(**{'default_hooks.checkpoint': hook}))


def test_a_home_folder_is_known(finished, train, monkeypatch):
    cfg, _, _ = finished('random')
    monkeypatch.setenv('HOME', str(folder(cfg).parent))
    place = f'~/{folder(cfg).name}/epoch_1.pth'
    assert train(cfg, resume=True, load_from=place).epoch == 2


def test_a_run_without_a_checkpoint_starts(run_cfg, train):
    cfg = run_cfg(epochs=1)
    assert train(cfg, resume=True).iter == 2
    meta = read_checkpoint(folder(cfg) / 'epoch_1.pth')['meta']
    assert meta['epoch'] == 1 and meta['iter'] == 2
    assert torch.__version__.startswith(meta['versions']['torch'])


def test_a_schedule_that_keeps_its_length_is_logged(run_cfg, train):
    def logged():
        logs = folder(cfg).glob('*/*.log')
        return ''.join(path.read_text() for path in logs)

    cfg = run_cfg(epochs=1)
    cosine = dict(
        type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True
    )
    cfg.param_scheduler = [cosine]
    train(cfg)
    train(cfg, resume=True)
    assert 'keeps its length' not in logged()
    train(cfg, resume=True, **{'train_cfg.max_epochs': 2})
    assert logged().count('keeps its length') == 1
    assert 'epoch_1.pth: its schedule has T_max=' in logged()


def test_weights_alone_are_not_gone_on_from(finished, train):
    cfg, _, _ = finished('random')
    whole = raw(folder(cfg) / 'epoch_1.pth')
    merged = dict(state_dict=whole['state_dict'], meta=whole['meta'])
    torch.save(merged, folder(cfg) / 'merged.pth')
    last = folder(cfg) / 'epoch_2.pth'
    last.write_bytes(last.read_bytes()[:1000])
    runner = train(cfg, resume=True)
    assert runner.epoch == 2


def test_checkpoints_elsewhere_behind_a_link(run_cfg, train, tmp_path):
    (tmp_path / 'disk/deep').mkdir(parents=True)
    (tmp_path / 'link').symlink_to(tmp_path / 'disk/deep')
    cfg = run_cfg(epochs=1)
    cfg.work_dir = str(tmp_path / 'link/run')
    cfg.default_hooks.checkpoint.out_dir = str(tmp_path / 'elsewhere')
    train(cfg)
    (found,) = resumable_checkpoints(Path(cfg.work_dir))
    assert found.is_file() and found.name == 'epoch_1.pth'
    assert find_checkpoint(cfg.work_dir).name.startswith('best_')
