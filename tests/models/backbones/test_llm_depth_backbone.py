import copy

import numpy as np
import pytest
import torch

from llm_mde_mm.models.language import HFLanguageModel
from llm_mde_mm.models.normalisation import Pixels
from llm_mde_mm.models.prompts import DISTANCE_WORDS
from llm_mde_mm.utils.errors import ConfigError


@pytest.fixture
def make(build, tiny_backbone_cfg):
    def make(**changes):
        return build(tiny_backbone_cfg(**changes)).eval()

    return make


def normalised(backbone, pixels):
    """As mmseg's preprocessor does it: minus 255 mean, over 255 std."""
    mean = 255 * torch.tensor(backbone.vision.mean).view(3, 1, 1)
    std = 255 * torch.tensor(backbone.vision.std).view(3, 1, 1)
    return (pixels.float() - mean) / std


def random_pixels():
    """Three pictures; the dark one's distance has fewer tokens."""
    pixels = torch.randint(100, 156, (3, 3, 32, 48))
    pixels[1] -= 100
    return pixels


@pytest.mark.parametrize('mode', ['none', 'fixed', 'adaptive'])
@torch.no_grad()
def test_shapes(make, mode):
    backbone = make(prompt__mode=mode)
    features = backbone(normalised(backbone, random_pixels()))
    length = backbone.prompt.length
    assert (length == 0) == (mode == 'none')
    assert features.patch_map.shape == (3, 32, 2, 3)
    assert [m.shape for m in features.vision_maps] == [(3, 24, 2, 3)]
    assert features.prompt_states.shape == (3, length, 32)
    assert features.prompt_mask.shape == (3, length)
    assert features.prompt_mask.dtype == torch.bool


def test_a_window_that_padding_would_widen(make):
    config = dict(
        model_type='mistral',
        hidden_size=32,
        intermediate_size=64,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_hidden_layers=1,
    )

    def build(window, mode='adaptive'):
        return make(
            language__config=dict(config, sliding_window=window),
            prompt__mode=mode,
        )

    length = build(None).prompt.length + 6
    with pytest.raises(ConfigError, match=f'{length - 1} tokens at a time'):
        build(length - 1)
    assert build(length).language.window == length
    # Prompts of one length need no mask.
    assert build(length - 1, 'fixed').language.window == length - 1


def test_patches_start_at_the_scale_of_the_words(make, monkeypatch):
    plain = make()
    embed = HFLanguageModel.embed
    monkeypatch.setattr(
        HFLanguageModel, 'embed', lambda self, ids: 5 * embed(self, ids)
    )
    scaled = make()
    scales = [
        float(part.reprogramming.norm.weight[0])
        / float(part.language.word_embeddings.std(0).mean())
        for part in (plain, scaled)
    ]
    assert scales == pytest.approx([1, 5], rel=1e-5)


@torch.no_grad()
def test_maps_are_laid_out_as_the_picture(make):
    """Row by row, as timm orders its patches."""
    backbone = make()
    inputs = normalised(backbone, random_pixels())
    (got,) = backbone(inputs).vision_maps
    (tokens,) = backbone.vision(inputs)
    for row in range(2):
        for column in range(3):
            assert torch.equal(
                got[:, :, row, column], tokens[:, 3 * row + column]
            )


@torch.no_grad()
def test_the_language_model_reads_prompt_then_patches(make):
    """Hugging Face's own run on the sequence, with its 2-D mask."""
    backbone = make()
    inputs = normalised(backbone, random_pixels())
    features = backbone(inputs)
    ids, mask, _ = backbone.prompt(backbone.picture(inputs))
    assert not mask.all()
    patches = backbone.reprogramming(
        backbone.vision(inputs)[-1], backbone.keys_values()
    )
    words = backbone.language.word_embeddings[ids]
    mask = torch.cat([mask, torch.ones(3, 6, dtype=torch.bool)], 1)
    want = backbone.language.model(
        inputs_embeds=torch.cat([words, patches], 1),
        attention_mask=mask.long(),
        position_ids=(mask.long().cumsum(1) - 1).clamp(min=0),
    ).last_hidden_state
    got = torch.cat(
        [features.prompt_states, features.patch_map.flatten(2).mT], 1
    )
    torch.testing.assert_close(got[mask], want[mask], rtol=0, atol=1e-5)


LEARNED = dict(prompt__distance_mode='learned')


@pytest.mark.parametrize(
    'changes', [dict(prompt__mode='none'), dict(), LEARNED]
)
@torch.no_grad()
def test_a_batch_equals_its_pictures(make, changes, fill_lora):
    backbone = fill_lora(make(**changes))
    inputs = normalised(backbone, random_pixels())
    together = backbone(inputs)
    for i in range(3):
        alone = backbone(inputs[i : i + 1])
        kept = alone.prompt_mask[0]
        assert torch.equal(kept, together.prompt_mask[i])
        for a, b in (
            (alone.patch_map[0], together.patch_map[i]),
            (alone.vision_maps[0][0], together.vision_maps[0][i]),
            (alone.prompt_states[0][kept], together.prompt_states[i][kept]),
        ):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


def test_pixels_come_back_exactly(make):
    backbone = make()
    backbone.picture = Pixels([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    every = torch.arange(256).view(1, 1, 16, 16).expand(2, 3, -1, -1)
    mean = np.array([0.485, 0.456, 0.406], 'f4')[:, None, None] * 255
    std = np.array([0.229, 0.224, 0.225], 'f4')[:, None, None] * 255
    inputs = torch.from_numpy((every.numpy().astype('f4') - mean) / std)
    assert torch.equal(backbone.picture(inputs), every.float())


def test_pixels_of_the_models_own_normalisation(make):
    backbone, pixels = make(), random_pixels()
    got = backbone.picture(normalised(backbone, pixels))
    assert torch.equal(got, pixels.float())


def assert_cache_is_right(backbone):
    want = backbone._compute_keys_values()
    for _ in range(2):
        got = backbone.keys_values()
        assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
    assert backbone.keys_values()[0] is got[0]
    return got[0]


@torch.no_grad()
def test_the_cache_follows_the_weights(make):
    backbone = make()
    seen = [assert_cache_is_right(backbone)]
    backbone.prototypes.mapping.mul_(2)
    backbone.prototypes.mapping[0] += 1
    seen.append(assert_cache_is_right(backbone))
    backbone.reprogramming.key.weight.add_(0.1)
    seen.append(assert_cache_is_right(backbone))
    backbone.language.word_embeddings.normal_()
    seen.append(assert_cache_is_right(backbone))
    torch.manual_seed(9)
    backbone.load_state_dict(make().state_dict())
    seen.append(assert_cache_is_right(backbone))
    backbone.double()
    assert_cache_is_right(backbone)
    for a, b in zip(seen[:-1], seen[1:], strict=True):
        assert not torch.equal(a, b)


@torch.no_grad()
def test_the_cache_is_dropped_by_train_and_eval(make):
    """MMEngine's EMAHook swaps weights through ``.data``, unseen."""
    backbone = make()
    before = assert_cache_is_right(backbone)
    backbone.reprogramming.key.weight.data.add_(0.1)
    backbone.eval()
    assert not torch.equal(before, assert_cache_is_right(backbone))
    backbone.train()
    assert backbone.keys_values()[0] is not backbone.keys_values()[0]


@torch.no_grad()
def test_the_cache_is_dropped_by_a_move_and_by_new_weights(make):
    backbone = make()
    assert_cache_is_right(backbone)
    backbone.to('cpu')
    assert backbone._cache is None
    before = assert_cache_is_right(backbone)
    torch.manual_seed(9)
    backbone.load_state_dict(make().state_dict(), assign=True)
    assert not torch.equal(before, assert_cache_is_right(backbone))


def test_pixels_survive_a_cast(make):
    backbone, pixels = make(), random_pixels()
    inputs = normalised(backbone, pixels)
    backbone.bfloat16()
    assert torch.equal(backbone.picture(inputs), pixels.float())
    assert backbone(inputs).patch_map.dtype == torch.bfloat16


def test_no_cache_where_gradients_are_wanted(make):
    backbone = make()
    with torch.no_grad():
        backbone.keys_values()
    key, _ = backbone.keys_values()
    key.sum().backward()
    assert backbone.prototypes.mapping.grad.abs().sum() > 0


def test_a_sequence_longer_than_the_positions(make, build, tiny_backbone_cfg):
    limit = make().prompt.length + 6
    make(language__config__max_position_embeddings=limit)
    with pytest.raises(
        ConfigError, match=f'{limit - 6} prompt tokens and 2 x 3 patches'
    ) as error:
        make(language__config__max_position_embeddings=limit - 1)
    for key in (
        'max_position_embeddings',
        'backbone.vision.img_size',
        'backbone.prompt.pixels',
        'backbone.prompt.mode',
    ):
        assert key in str(error.value)
    # The advice helps.
    make(
        language__config__max_position_embeddings=limit - 1,
        prompt__mode='fixed',
    )


@torch.no_grad()
def test_states_wider_than_the_embeddings(make):
    backbone = make(
        language__config__model_type='electra',
        language__config__embedding_size=16,
    )
    assert backbone.embed_dims == 32
    assert backbone.reprogramming.proj.out_features == 16
    features = backbone(normalised(backbone, random_pixels()))
    assert features.patch_map.shape == (3, 32, 2, 3)
    assert features.prompt_states.shape[2] == 32


@torch.no_grad()
def test_scale_of_the_patches_is_that_of_words(make):
    backbone = make()
    patches = backbone.reprogramming(
        torch.randn(2, 50, 24), backbone.keys_values()
    )
    words = backbone.language.word_embeddings
    assert patches.std().item() == pytest.approx(words.std().item(), rel=0.2)


@torch.no_grad()
def test_under_autocast_the_cache_is_not_mixed_up(make):
    backbone = make()
    plain = backbone.keys_values()[0]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert backbone.keys_values()[0].dtype == torch.bfloat16
    with torch.autocast('cpu', dtype=torch.float16):
        assert backbone.keys_values()[0].dtype == torch.float16
    assert torch.equal(backbone.keys_values()[0], plain)


@torch.no_grad()
def test_a_learned_distance_is_said_to_the_language_model(make, fill_lora):
    """A classifier sure of one word: the run is that on the word itself."""
    backbone = fill_lora(make(**LEARNED))
    classifier = backbone.prompt.classifier
    classifier.linear.weight.zero_()
    # 'close' and 'far' are one token each.
    token = backbone.language.tokenizer.convert_tokens_to_ids
    inputs = normalised(backbone, random_pixels())
    patches = backbone.reprogramming(
        backbone.vision(inputs)[-1], backbone.keys_values()
    )
    for word in ('close', 'far'):
        logits = torch.zeros(7)
        logits[DISTANCE_WORDS.index(word)] = 200
        classifier.linear.bias.copy_(logits)
        features = backbone(inputs)
        assert torch.equal(features.distance_logits, logits.expand(3, 7))
        ids = backbone.prompt(
            backbone.picture(inputs), None, backbone.vision(inputs)[-1]
        ).ids
        ids = ids.masked_fill(ids == -1, token(word))
        tokens = torch.cat([backbone.language.embed(ids), patches], 1)
        want = backbone.language(tokens, None)
        got = torch.cat(
            [features.prompt_states, features.patch_map.flatten(2).mT], 1
        )
        torch.testing.assert_close(got, want, rtol=0, atol=1e-5)


def test_the_depth_reaches_the_classifier_through_the_prompt(make):
    backbone = make(**LEARNED).train()
    features = backbone(normalised(backbone, random_pixels()))
    features.patch_map.square().sum().backward()
    for parameter in backbone.prompt.classifier.parameters():
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize('changes', [dict(), LEARNED])
def test_describe_tells_what_the_language_model_reads(make, changes):
    backbone = make(**changes)
    pixels = random_pixels()
    pixels[2] = 255
    texts = backbone.describe(normalised(backbone, pixels))
    assert len(texts) == 3
    assert 'brightness 100 to 100, median 100' in texts[2]
    assert all(text.startswith('indoor photograph') for text in texts)
    logits = backbone(normalised(backbone, pixels)).distance_logits
    if changes:
        best = [DISTANCE_WORDS[i] for i in logits.argmax(1)]
        assert [t.partition('content is ')[2] for t in texts] == [
            f'{word}.' for word in best
        ]
    else:
        assert logits is None and texts[2].endswith('content is unseen.')
    valid = torch.ones(3, 32, 48, dtype=torch.bool)
    pixels[2, :, 16:], valid[2, 16:] = 0, False
    padded = backbone.describe(normalised(backbone, pixels), valid)
    assert 'brightness 100 to 100, median 100' in padded[2]
    assert padded[:2] == texts[:2]


def test_no_prompt_is_described_by_nothing(make):
    backbone = make(prompt__mode='none')
    texts = backbone.describe(normalised(backbone, random_pixels()))
    assert texts == [''] * 3


def test_a_tokeniser_of_another_model(make):
    with pytest.raises(ConfigError, match='only 300 word embeddings.*same'):
        make(language__config__vocab_size=300)


@pytest.mark.parametrize('control', [None, 'attention'])
def test_initialising_keeps_the_loaded_weights(
    build, tiny_model_cfg, fill_lora, control
):
    """MMEngine calls ``init_weights`` before it trains, as mmseg's parts."""
    cfg = tiny_model_cfg(backbone__language__control=control)
    model = fill_lora(build(cfg))
    before = copy.deepcopy(model.backbone.state_dict())
    model.init_weights()
    after = model.backbone.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
