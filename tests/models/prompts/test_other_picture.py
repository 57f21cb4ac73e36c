"""Each picture gets the prompt of the one before it."""

import pytest
import torch
from mmseg.registry import MODELS

from llm_mde_mm.models.prompts import Prompt, PromptShift
from llm_mde_mm.utils.errors import ConfigError, DataError


@pytest.fixture
def tokenizer(tiny_language_cfg):
    return MODELS.build(tiny_language_cfg()).tokenizer


def generator(tokenizer, kind, **kwargs):
    return MODELS.build(dict(type=kind, tokenizer=tokenizer, **kwargs))


@pytest.fixture
def pictures():
    """Five pictures of rising brightness: no two prompts are the same."""
    levels = torch.tensor([10.0, 60, 110, 160, 210]).view(5, 1, 1, 1)
    return levels.expand(5, 3, 20, 20)


def texts(generator, pictures, sizes):
    found = []
    for batch in pictures.split(sizes):
        found += generator.decode(generator(batch))
    return found


def test_the_prompt_is_that_of_the_picture_before(tokenizer, pictures):
    plain = texts(generator(tokenizer, 'PromptGenerator'), pictures, [5])
    assert len(set(plain)) == 5
    other = generator(tokenizer, 'OtherPromptGenerator')
    # Cut as it may be, it is the same row of pictures; the first batch, of
    # two, is a ring.
    for sizes in ([2, 3], [2, 1, 2], [2, 1, 1, 1]):
        other.eval()
        assert texts(other, pictures, sizes) == [plain[1], *plain[:4]]
    other.train()
    assert texts(other, pictures, [5]) == [plain[4], *plain[:4]]


def test_logits_go_with_the_prompt():
    shift = PromptShift()
    ids = torch.arange(6).view(3, 2)
    logits = torch.arange(21.0).view(3, 7).requires_grad_()
    first = shift(Prompt(ids, ids > 0, logits))
    second = shift(Prompt(ids + 10, ids >= 0, logits + 100))
    assert first.ids[:, 0].tolist() == [4, 0, 2]
    assert second.ids[:, 0].tolist() == [4, 10, 12]
    assert second.mask[0].tolist() == [True, True]
    assert second.distance_logits[:, 0].tolist() == [14, 100, 107]
    # Nothing holds the graph of the batch before.
    second.distance_logits.sum().backward()
    assert logits.grad.sum() == 14


def test_no_other_picture(tokenizer, pictures):
    other = generator(tokenizer, 'OtherPromptGenerator')
    with pytest.raises(DataError, match='one picture'):
        other(pictures[:1])


@pytest.mark.parametrize('mode', ['none', 'fixed'])
def test_prompts_that_do_not_differ(tokenizer, mode):
    with pytest.raises(ConfigError, match=f"mode is '{mode}'"):
        generator(tokenizer, 'OtherPromptGenerator', mode=mode)


def test_a_learned_distance_is_refused(tokenizer):
    with pytest.raises(ConfigError, match='intensity'):
        generator(
            tokenizer,
            'OtherPromptGenerator',
            distance_mode='learned',
            vision_dims=24,
        )
