import pytest
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from llm_mde_mm.models.language.hf_weights import load_tokenizer
from llm_mde_mm.models.prompts import (
    DISTANCE_WORDS,
    PromptGenerator,
    PromptTemplate,
    picture_statistics,
)
from llm_mde_mm.utils.errors import ConfigError

SLOTS = (
    'minimum',
    'maximum',
    'median',
    'bright_row',
    'bright_column',
    'dark_row',
    'dark_column',
)


def word_piece():
    return load_tokenizer(None)


def byte_pairs():
    """Byte-level BPE as GPT-2's, in which ' 25' and '25' differ."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    texts = [
        'indoor photograph with metric depth. estimate the depth of each '
        'patch. brightness 10 to 90, median 55, bright at 15 25, dark at 35. '
        'content is close. content is far away and a little remote.'
    ] * 20
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=['<|endoftext|>'],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token='<|endoftext|>',
        eos_token='<|endoftext|>',
    )


@pytest.fixture(scope='module', params=[word_piece, byte_pairs])
def tokenizer(request):
    return request.param()


def cases():
    """Each slot through all its values, the others fixed, and mixtures."""
    rows = [dict.fromkeys((*SLOTS, 'distance'), 0)]
    rows += [{**rows[0], slot: i} for slot in SLOTS for i in range(101)]
    rows += [
        {**dict.fromkeys(SLOTS, 100 - 7 * i), 'distance': i} for i in range(7)
    ]
    return rows


def test_ids_are_the_tokenisers_of_the_filled_text(tokenizer):
    template = PromptGenerator(tokenizer).template
    rows = cases()
    ids, mask = template(
        len(rows), {k: torch.tensor([r[k] for r in rows]) for k in rows[0]}
    )
    assert ids.shape == mask.shape == (len(rows), template.length)
    start = tokenizer.cls_token_id
    if start is None:
        start = tokenizer.bos_token_id
    end = tokenizer.sep_token_id
    for case, row, kept in zip(rows, ids, mask, strict=True):
        text = (
            'indoor photograph with metric depth. estimate the depth of '
            'each patch. brightness {minimum} to {maximum}, median '
            '{median}, bright at {bright_row} {bright_column}, dark at '
            '{dark_row} {dark_column}. content is {word}.'
        ).format(word=DISTANCE_WORDS[case['distance']], **case)
        want = tokenizer(text, add_special_tokens=False)['input_ids']
        want = [start, *want] + ([] if end is None else [end])
        assert row[kept].tolist() == want, text
        # Padding stands first.
        assert kept.tolist() == sorted(kept.tolist())
    assert mask.sum(1).max() <= template.length
    assert template.is_padded and not mask.all()


def test_decoded_text_gives_the_same_ids(tokenizer):
    prompt = PromptGenerator(tokenizer)
    ids, mask = prompt(torch.rand(5, 3, 16, 16) * 255)
    for text, row, kept in zip(
        prompt.decode(ids, mask), ids, mask, strict=True
    ):
        special = tokenizer.all_special_ids
        want = [i for i in row[kept].tolist() if i not in special]
        assert tokenizer(text, add_special_tokens=False)['input_ids'] == want


def test_the_text_tells_the_statistics(tokenizer):
    prompt = PromptGenerator(tokenizer)
    pictures = torch.stack(
        [torch.full((3, 20, 20), 255.0), torch.zeros(3, 20, 20)]
    )
    pictures[1, :, 6:8] = 128
    bright, dark = prompt.decode(*prompt(pictures))
    assert 'median 100' in bright and 'content is unseen.' in bright
    assert 'brightness 0 to 50, median 0, bright at 35 5' in dark
    assert 'content is giant.' in dark
    rows = picture_statistics(pictures)['dark_row'].tolist()
    for text, row in zip((bright, dark), rows, strict=True):
        assert f'dark at {row} 5' in text


def test_padding_of_the_picture_is_left_out(tokenizer):
    prompt = PromptGenerator(tokenizer)
    picture = torch.randint(0, 256, (1, 3, 16, 20)).float()
    padded = torch.nn.functional.pad(picture, (0, 12, 0, 8), value=124.0)
    valid = torch.zeros(1, 24, 32, dtype=torch.bool)
    valid[:, :16, :20] = True
    (want,) = prompt.decode(*prompt(picture))
    assert prompt.decode(*prompt(padded, valid)) == [want]
    assert prompt.decode(*prompt(padded)) != [want]


def test_a_picture_changes_its_own_prompt_only(tokenizer):
    prompt = PromptGenerator(tokenizer)
    pictures = torch.randint(0, 256, (3, 3, 16, 16)).float()
    changed = pictures.clone()
    changed[1] = changed[1] / 3
    before, after = prompt.decode(*prompt(pictures)), prompt.decode(
        *prompt(changed)
    )  # fmt: skip
    assert [a == b for a, b in zip(before, after, strict=True)] == [
        True, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize('mode', ['none', 'fixed', 'adaptive'])
def test_modes(tokenizer, mode):
    prompt = PromptGenerator(tokenizer, mode=mode)
    pictures = torch.randint(0, 256, (4, 3, 16, 16)).float() * torch.rand(
        4, 1, 1, 1
    )
    ids, mask = prompt(pictures)
    assert ids.shape == mask.shape == (4, prompt.length)
    assert (ids.dtype, mask.dtype) == (torch.int64, torch.bool)
    texts = prompt.decode(ids, mask)
    fixed = 'indoor photograph with metric depth. estimate the depth of each'
    if mode == 'none':
        assert prompt.length == 0 and texts == [''] * 4
    if mode == 'fixed':
        assert set(texts) == {f'{fixed} patch.'} and not prompt.is_padded
    if mode == 'adaptive':
        assert len(set(texts)) > 1
        assert all(text.startswith(fixed) for text in texts)


def test_the_default_prompt_is_short():
    assert PromptGenerator(word_piece()).length <= 48


def test_other_words(tokenizer):
    prompt = PromptGenerator(
        tokenizer,
        dataset='a room.',
        task='depth.',
        pixels='median {median}.',
        distance='{distance}.',
    )
    (text,) = prompt.decode(*prompt(torch.zeros(1, 3, 8, 8)))
    assert text == 'a room. depth. median 0. giant.'


def test_wrong_settings(tokenizer):
    with pytest.raises(ConfigError, match="mode is 'auto'.*none, fixed"):
        PromptGenerator(tokenizer, mode='auto')
    with pytest.raises(ConfigError, match=r'slot \{mean\}.*minimum'):
        PromptGenerator(tokenizer, pixels='mean {mean}.')


def test_a_slot_that_the_tokeniser_cuts_across():
    with pytest.raises(ConfigError, match='across the edge of a slot'):
        PromptTemplate('the dep{n}', dict(n=('th', 's')), byte_pairs())
    with pytest.raises(ConfigError, match='across the edge of a slot'):
        PromptTemplate('close{n}', dict(n=('1', '2')), word_piece())


def test_slots_of_several_tokens_pad_to_the_longest():
    tokenizer = word_piece()
    template = PromptTemplate(
        'is {x} of {x}', dict(x=DISTANCE_WORDS), tokenizer
    )
    lengths = [
        len(tokenizer(w, add_special_tokens=False)['input_ids'])
        for w in DISTANCE_WORDS
    ]
    # [CLS] is ... of ... [SEP]
    assert template.length == 4 + 2 * max(lengths)
    _, mask = template(7, dict(x=torch.arange(7)))
    assert mask.sum(1).tolist() == [4 + 2 * n for n in lengths]


def test_the_mark_at_the_start_may_have_id_zero():
    """As RoBERTa's; here with another mark for the beginning of a text."""
    tokenizer = byte_pairs()
    tokenizer.cls_token = '<|endoftext|>'
    tokenizer.bos_token = '!'
    assert tokenizer.cls_token_id == 0 != tokenizer.bos_token_id
    template = PromptTemplate('depth', {}, tokenizer)
    ids, _ = template(1, {})
    assert ids[0, 0] == 0
