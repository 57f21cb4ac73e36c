"""Each picture gets the prompt of the one before it."""

import pytest
import torch
from mmseg.registry import MODELS

from llm_mde_mm.models.prompts import Prompt, shift_prompts
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
    # A batch is a ring, and knows of no other.
    for _ in range(2):
        assert texts(other, pictures, [5]) == [plain[4], *plain[:4]]
        assert texts(other, pictures, [2, 3]) == [
            *(plain[1], plain[0]),
            *(plain[4], plain[2], plain[3]),
        ]


def test_logits_go_with_the_prompt():
    ids = torch.arange(6).view(3, 2)
    logits = torch.arange(21.0).view(3, 7)
    shifted = shift_prompts(Prompt(ids, ids > 0, logits))
    assert shifted.ids[:, 0].tolist() == [4, 0, 2]
    assert shifted.mask[1].tolist() == [False, True]
    assert shifted.distance_logits[:, 0].tolist() == [14, 0, 7]
    assert shift_prompts(Prompt(ids, ids > 0, None)).distance_logits is None


def test_no_other_picture(tokenizer, pictures):
    other = generator(tokenizer, 'OtherPromptGenerator')
    with pytest.raises(DataError, match='one picture alone'):
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
