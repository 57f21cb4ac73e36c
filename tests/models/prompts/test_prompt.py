import string
from functools import partial

import pytest
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from llm_mde_mm.models.language.hf_weights import load_tokenizer
from llm_mde_mm.models.prompts import (
    DISTANCE_WORDS,
    SOFT_ID,
    Prompt,
    PromptGenerator,
    PromptTemplate,
    picture_statistics,
)
from llm_mde_mm.utils.errors import ConfigError

BARE = dict(add_special_tokens=False)
SLOTS = (
    'minimum',
    'maximum',
    'median',
    'bright_row',
    'bright_column',
    'dark_row',
    'dark_column',
)


TEXTS = [
    'indoor photograph with metric depth. estimate the depth of each '
    'patch. brightness 10 to 90, median 55, bright at 15 25, dark at 35. '
    'content is close. content is far away and a little remote.'
] * 20


def word_piece():
    return load_tokenizer(None)


def byte_pairs():
    """Byte-level BPE as GPT-2's, in which ' 25' and '25' differ."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=['<|endoftext|>'],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token='<|endoftext|>',
        eos_token='<|endoftext|>',
    )


def sentence_piece(prepend):
    """BPE as Llama's: a word begins with the mark of the space before it.

    Three ways to put that mark before the first word too: Metaspace at every
    text or at the start of the first, and a normaliser, as in Llama 2.
    """
    bpe = Tokenizer(models.BPE(unk_token='<unk>'))
    scheme = 'always' if prepend == 'normaliser' else prepend
    words = pre_tokenizers.Metaspace(prepend_scheme=scheme)
    # As SentencePiece trains: no token of letters and digits or points.
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            words,
            pre_tokenizers.Punctuation(),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=['<unk>', '<s>', '</s>'],
        initial_alphabet=list(string.ascii_lowercase + string.digits),
        show_progress=False,
    )
    bpe.train_from_iterator(TEXTS, trainer)
    bpe.pre_tokenizer = words
    bpe.decoder = decoders.Metaspace()
    if prepend == 'normaliser':
        bpe.pre_tokenizer = None
        bpe.normalizer = normalizers.Sequence(
            [normalizers.Prepend('▁'), normalizers.Replace(' ', '▁')]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        unk_token='<unk>',
        bos_token='<s>',
        eos_token='</s>',
    )


TOKENISERS = dict(
    word_piece=word_piece,
    byte_pairs=byte_pairs,
    always=partial(sentence_piece, 'always'),
    first=partial(sentence_piece, 'first'),
    normaliser=partial(sentence_piece, 'normaliser'),
)


@pytest.fixture(
    scope='module', params=TOKENISERS.values(), ids=TOKENISERS.keys()
)
def tokenizer(request):
    return request.param()


def make(tokenizer, distance_mode, **kwargs):
    settings = dict(distance_mode=distance_mode, vision_dims=24)
    return PromptGenerator(tokenizer, **{**settings, **kwargs})


def ids_in_a_text(tokenizer, word):
    before, whole = tokenizer(['is', f'is {word}'], **BARE)['input_ids']
    return whole[len(before) :]


class Words(torch.nn.Embedding):
    """A language model as far as the generator knows it."""

    embed = torch.nn.Embedding.forward


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


@pytest.mark.parametrize('distance_mode', ['intensity', 'learned'])
def test_decoded_text_gives_the_same_ids(tokenizer, distance_mode):
    generator = make(tokenizer, distance_mode)
    prompt = generator(
        torch.rand(5, 3, 16, 16) * 255, patches=torch.randn(5, 6, 24)
    )
    texts = generator.decode(prompt)
    for i, (text, row, kept) in enumerate(
        zip(texts, prompt.ids, prompt.mask, strict=True)
    ):
        got = row[kept].tolist()
        if distance_mode == 'learned':
            # The word that scores highest, in the place left open.
            word = DISTANCE_WORDS[int(prompt.distance_logits[i].argmax())]
            assert text.endswith(f'content is {word}.')
            at = got.index(SOFT_ID)
            got[at : at + 1] = ids_in_a_text(tokenizer, word)
        got = [t for t in got if t not in tokenizer.all_special_ids]
        assert tokenizer(text, **BARE)['input_ids'] == got


def test_the_text_tells_the_statistics(tokenizer):
    prompt = PromptGenerator(tokenizer)
    pictures = torch.stack(
        [torch.full((3, 20, 20), 255.0), torch.zeros(3, 20, 20)]
    )
    pictures[1, :, 6:8] = 128
    bright, dark = prompt.decode(prompt(pictures))
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
    (want,) = prompt.decode(prompt(picture))
    assert prompt.decode(prompt(padded, valid)) == [want]
    assert prompt.decode(prompt(padded)) != [want]


@pytest.mark.parametrize('padded', [False, True])
@pytest.mark.parametrize('distance_mode', ['intensity', 'learned'])
def test_a_picture_changes_its_own_prompt_only(
    tokenizer, padded, distance_mode
):
    generator = make(tokenizer, distance_mode)
    pictures = torch.randint(0, 256, (3, 3, 16, 16)).float()
    patches = torch.randn(3, 6, 24)
    valid = torch.ones(3, 16, 16, dtype=torch.bool)
    if padded:
        # Also the other way round: what changes is not part of picture 2.
        valid[1, 10:], valid[2, :, 12:] = False, False
    before = generator(pictures, valid, patches)
    changed = pictures.clone()
    changed[1, :, :10] /= 3
    if padded:
        changed[2, :, :, 12:] = 255
    patches[1] += torch.randn(24)
    after = generator(changed, valid, patches)
    for a, b in zip(before, after, strict=True):
        if a is not None:
            assert torch.equal(a[[0, 2]], b[[0, 2]])
    assert not torch.equal(before.ids[1], after.ids[1])
    if distance_mode == 'learned':
        assert (before.distance_logits[1] != after.distance_logits[1]).any()


@pytest.mark.parametrize('mode', ['none', 'fixed', 'adaptive'])
def test_modes(tokenizer, mode):
    prompt = PromptGenerator(tokenizer, mode=mode)
    pictures = torch.randint(0, 256, (4, 3, 16, 16)).float() * torch.rand(
        4, 1, 1, 1
    )
    written = prompt(pictures)
    ids, mask, logits = written
    assert ids.shape == mask.shape == (4, prompt.length)
    assert (ids.dtype, mask.dtype) == (torch.int64, torch.bool)
    assert logits is None
    texts = prompt.decode(written)
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
    (text,) = prompt.decode(prompt(torch.zeros(1, 3, 8, 8)))
    assert text == 'a room. depth. median 0. giant.'


def test_wrong_settings(tokenizer):
    with pytest.raises(ConfigError, match="mode is 'auto'.*none, fixed"):
        PromptGenerator(tokenizer, mode='auto')
    with pytest.raises(ConfigError, match=r'slot \{mean\}.*minimum'):
        PromptGenerator(tokenizer, pixels='mean {mean}.')
    with pytest.raises(ConfigError, match="distance_mode is 'gt'.*learned"):
        PromptGenerator(tokenizer, distance_mode='gt')
    with pytest.raises(ConfigError, match=r'no text .* has the slot {dist'):
        make(tokenizer, 'learned', distance='content.')
    with pytest.raises(ConfigError, match='needs prompt.vision_dims'):
        make(tokenizer, 'learned', vision_dims=None)
    with pytest.raises(ConfigError, match='distance_loss_weight is -1'):
        make(tokenizer, 'learned', distance_loss_weight=-1)
    with pytest.raises(ConfigError, match="'intensity' has nothing to train"):
        PromptGenerator(tokenizer, distance_loss_weight=0.1)
    with pytest.raises(ValueError, match='needs the visual tokens'):
        make(tokenizer, 'learned')(torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize('mode', ['none', 'fixed'])
def test_nothing_is_learned_for_a_view_that_is_not_shown(tokenizer, mode):
    generator = make(tokenizer, 'learned', mode=mode, distance_loss_weight=1)
    assert not list(generator.parameters())
    prompt = generator(torch.zeros(1, 3, 8, 8))
    assert prompt.distance_logits is None and SOFT_ID not in prompt.ids


def test_a_slot_that_the_tokeniser_cuts_across():
    with pytest.raises(ConfigError, match='across the edge of a slot'):
        PromptTemplate('the dep{n}', dict(n=('th', 's')), byte_pairs())
    with pytest.raises(ConfigError, match='across the edge of a slot'):
        PromptTemplate('the dep{n}', dict(n=('s', 'th')), word_piece())


@torch.no_grad()
def test_a_slot_in_a_word_that_the_tokeniser_cuts_there():
    tokenizer = word_piece()
    template = PromptTemplate('close{n}', dict(n=('1', '25')), tokenizer)
    for row, text in enumerate(('close1', 'close25')):
        ids, mask = template(1, dict(n=torch.tensor([row])))
        assert ids[mask].tolist() == tokenizer(text)['input_ids']


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


def test_a_soft_slot_is_one_column():
    tokenizer = word_piece()
    values = dict(x=DISTANCE_WORDS, n=('1', 'not far'))
    text = '{n} is {x}.'
    hard = PromptTemplate(text, values, tokenizer)
    soft = PromptTemplate(text, values, tokenizer, soft=['x'])
    index = dict(n=torch.tensor([0, 1]))
    ids, mask = soft(2, index)
    assert ids.shape == mask.shape == (2, soft.length)
    assert soft.length == hard.length - max(
        len(tokenizer(w, **BARE)['input_ids']) - 1 for w in DISTANCE_WORDS
    )
    assert soft.is_padded and mask.sum(1).tolist() == [6, 7]
    for value in range(7):
        full, kept = hard(2, dict(**index, x=torch.tensor([value] * 2)))
        word = tokenizer(DISTANCE_WORDS[value], **BARE)['input_ids']
        for i in range(2):
            got = ids[i][mask[i]].tolist()
            at = got.index(SOFT_ID)
            got[at : at + 1] = word
            assert got == full[i][kept[i]].tolist()


def test_a_soft_slot_is_checked_like_any_other():
    with pytest.raises(ConfigError, match='across the edge of a slot'):
        PromptTemplate(
            'the dep{n}', dict(n=('th', 's')), byte_pairs(), soft=['n']
        )


def mixture(generator, words, logits):
    """The mixed word embeddings, word by word in float64."""
    vectors = []
    for word in DISTANCE_WORDS:
        ids = ids_in_a_text(generator.tokenizer, word)
        vectors.append(words.weight[ids].double().mean(0))
    weights = logits.double().exp()
    weights = weights / weights.sum(1, keepdim=True)
    return torch.stack(
        [sum(w * v for w, v in zip(row, vectors, strict=True))
         for row in weights]
    )  # fmt: skip


@torch.no_grad()
def test_the_soft_slot_holds_the_mixture(tokenizer):
    generator, words = make(tokenizer, 'learned'), Words(len(tokenizer), 32)
    prompt = generator(
        torch.rand(4, 3, 8, 8) * 255, patches=torch.randn(4, 6, 24)
    )
    prompt = prompt._replace(distance_logits=3 * torch.randn(4, 7))
    got = generator.embed(prompt, words)
    open_place = prompt.ids == SOFT_ID
    assert open_place.sum(1).tolist() == [1] * 4
    assert prompt.mask[open_place].all()
    want = mixture(generator, words, prompt.distance_logits)
    torch.testing.assert_close(
        got[open_place].double(), want, rtol=0, atol=1e-6
    )
    assert torch.equal(got[~open_place], words(prompt.ids[~open_place]))


@torch.no_grad()
def test_a_sure_classifier_says_one_word(tokenizer):
    generator, words = make(tokenizer, 'learned'), Words(len(tokenizer), 32)
    picture = torch.zeros(7, 3, 8, 8)
    prompt = generator(picture, patches=torch.zeros(7, 6, 24))
    prompt = prompt._replace(distance_logits=1e4 * torch.eye(7))
    got = generator.embed(prompt, words)[prompt.ids == SOFT_ID]
    for vector, word in zip(got, DISTANCE_WORDS, strict=True):
        ids = ids_in_a_text(tokenizer, word)
        torch.testing.assert_close(vector, words.weight[ids].mean(0))
    texts = generator.decode(prompt)
    assert [t.partition('content is ')[2] for t in texts] == [
        f'{word}.' for word in DISTANCE_WORDS
    ]


@torch.no_grad()
def test_the_mixture_is_exact_under_autocast_and_in_bf16(tokenizer):
    generator, words = make(tokenizer, 'learned'), Words(len(tokenizer), 32)
    prompt = generator(torch.zeros(2, 3, 8, 8), patches=torch.randn(2, 6, 24))
    want = generator.embed(prompt, words)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(generator.embed(prompt, words), want)
    rounded = generator.embed(prompt, words.bfloat16())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(rounded.float(), want, rtol=1e-2, atol=1e-2)


def test_a_loss_on_the_embeddings_reaches_the_classifier(tokenizer):
    generator, words = make(tokenizer, 'learned'), Words(len(tokenizer), 32)
    words.requires_grad_(False)
    patches = torch.randn(2, 6, 24, requires_grad=True)
    prompt = generator(torch.zeros(2, 3, 8, 8), patches=patches)
    generator.embed(prompt, words).square().sum().backward()
    for parameter in (patches, *generator.classifier.parameters()):
        assert parameter.grad.abs().sum() > 0


@pytest.mark.parametrize('distance_mode', ['intensity', 'learned'])
@torch.no_grad()
def test_one_graph(tokenizer, distance_mode):
    """No look at the host: neither strings nor a branch on a value."""
    generator = make(tokenizer, distance_mode)
    words = Words(len(tokenizer), 32)

    def run(picture, valid, patches):
        prompt: Prompt = generator(picture, valid, patches)
        return generator.embed(prompt, words), prompt.mask

    compiled = torch.compile(run, fullgraph=True, backend='eager')
    inputs = (
        torch.randint(0, 256, (3, 3, 16, 16)).float(),
        torch.rand(3, 16, 16) < 0.8,
        torch.randn(3, 6, 24),
    )
    for got, want in zip(compiled(*inputs), run(*inputs), strict=True):
        torch.testing.assert_close(got, want)
