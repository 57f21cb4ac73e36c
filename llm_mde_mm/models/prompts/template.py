"""A prompt as tensors: text with slots, tokenised once, filled by index."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from llm_mde_mm.utils.errors import ConfigError

from .prompt import SOFT_ID

_SLOT = re.compile(r'\{(\w+)\}')


def _pieces(text: str) -> list[tuple[str, str]]:
    """Split text into ('text', literal) and (' ' or '', slot) in order.

    White space goes with what follows it, the way byte-pair tokenisers cut.
    """
    pieces, end = [], 0
    for match in _SLOT.finditer(text):
        literal = text[end : match.start()]
        space = ' ' if literal.endswith(' ') else ''
        if literal.strip():
            pieces.append(('text', literal.rstrip()))
        pieces.append((space, match.group(1)))
        end = match.end()
    if text[end:].strip():
        pieces.append(('text', text[end:].rstrip()))
    return pieces


def _start_id(tokenizer: Any) -> int | None:
    """The mark before a text; its id may be 0."""
    if tokenizer.cls_token_id is not None:
        return tokenizer.cls_token_id
    return tokenizer.bos_token_id


def _ids(tokenizer: Any, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)['input_ids']


def _ids_behind(
    tokenizer: Any, before: str, texts: Sequence[str]
) -> list[list[int]]:
    """The ids that each text adds to those of the text before it.

    Alone it would have others: SentencePiece's kind puts a space before
    whatever it is given.
    """
    known = _ids(tokenizer, before) if before else []
    rows = [_ids(tokenizer, before + text) for text in texts]
    for row, text in zip(rows, texts, strict=True):
        if row[: len(known)] != known:
            raise _cut_across(before + text)
    return [row[len(known) :] for row in rows]


def _cut_across(text: str) -> ConfigError:
    return ConfigError(
        f'the tokeniser cuts the prompt {text!r} across the edge '
        'of a slot: put white space or punctuation around it'
    )


class PromptTemplate(nn.Module):
    """Token ids of a text whose slots take one of a few values each.

    Every value of every slot is tokenised in place at construction. Filling
    the slots is a table look-up: no strings and no host round trip, and a
    fixed length P with a mask.

    The place of a soft slot is left open, one column wide, for an embedding
    that no token has.

    Args:
        text (str): Text with ``{slot}`` where a value goes.
        values (Mapping[str, Sequence[str]]): The values of each slot.
        tokenizer (transformers.PreTrainedTokenizerBase): Where the ids come
            from.
        soft (Collection[str]): Slots that are left open.

    Raises:
        ConfigError: If the text names a slot without values, or the tokeniser
            would cut the filled text otherwise than its pieces.
    """

    def __init__(
        self,
        text: str,
        values: Mapping[str, Sequence[str]],
        tokenizer: Any,
        soft: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.text, self.values = text, values
        self.soft = frozenset(soft)
        self.slots: list[str] = []
        self._order: list[tuple[str, int]] = []
        start = _start_id(tokenizer)
        self._literal([] if start is None else [start])
        before = ''
        for kind, content in _pieces(text):
            if kind == 'text':
                texts = [content]
                self._literal(*_ids_behind(tokenizer, before, texts))
            elif content in values:
                texts = [kind + value for value in values[content]]
                self._slot(content, _ids_behind(tokenizer, before, texts))
            else:
                raise ConfigError(
                    f'the prompt has a slot {{{content}}}; '
                    f'there are {sorted(values)}'
                )
            before += texts[0]
        if tokenizer.sep_token_id is not None:
            self._literal([tokenizer.sep_token_id])
        self.length = sum(
            1 if name in self.soft else width for name, width in self._order
        )
        self.is_padded = any(
            not bool(self.table(name)[1].all())
            for name in self.slots
            if name not in self.soft
        )
        self._check(tokenizer)

    def _literal(self, ids: list[int]) -> None:
        name = f'literal{len(self._order)}'
        if ids:
            self.register_buffer(f'ids_{name}', torch.tensor(ids), False)
            self._order.append((name, len(ids)))

    def _slot(self, name: str, rows: list[list[int]]) -> None:
        width = max(len(row) for row in rows)
        self.register_buffer(
            f'ids_{name}',
            torch.tensor([row + [0] * (width - len(row)) for row in rows]),
            False,
        )
        lengths = torch.tensor([[len(row)] for row in rows])
        self.register_buffer(
            f'mask_{name}', torch.arange(width) < lengths, False
        )
        self._order.append((name, width))
        self.slots.append(name)

    @property
    def largest_id(self) -> int:
        """The largest id of any prompt."""
        return max(
            int(getattr(self, f'ids_{name}').max()) for name, _ in self._order
        )

    def table(self, slot: str) -> tuple[Tensor, Tensor]:
        """Ids and mask ``(K, W)`` of a slot's K values; padding last."""
        return getattr(self, f'ids_{slot}'), getattr(self, f'mask_{slot}')

    def forward(
        self, batch: int, index: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Fill the slots that are not soft.

        Args:
            batch (int): B.
            index (Mapping[str, Tensor]): ``(B,)`` int64 each: which of its
                values every slot takes.

        Returns:
            tuple[Tensor, Tensor]: Ids ``(B, P)``, -1 at a soft slot, and mask
            ``(B, P)`` bool. Padding stands first, so that the prompt ends
            where the patches begin.
        """
        return self._fill(batch, index, self.soft)

    def _fill(
        self, batch: int, index: Mapping[str, Tensor], soft: Collection[str]
    ) -> tuple[Tensor, Tensor]:
        ids, mask = [], []
        for name, width in self._order:
            if name in self.slots and name not in soft:
                values, lengths = self.table(name)
                ids.append(values[index[name]])
                mask.append(lengths[index[name]])
                continue
            table = getattr(self, f'ids_{name}')
            if name in soft:
                ids.append(table.new_full((batch, 1), SOFT_ID))
            else:
                ids.append(table.expand(batch, width))
            mask.append(torch.ones_like(ids[-1], dtype=torch.bool))
        all_ids, all_mask = torch.cat(ids, 1), torch.cat(mask, 1)
        if not self.is_padded:
            return all_ids, all_mask
        order = all_mask.long().argsort(dim=1, stable=True)
        return all_ids.gather(1, order), all_mask.gather(1, order)

    def fill(self, index: Mapping[str, int]) -> str:
        """The text with each slot's value in its place."""
        return _SLOT.sub(
            lambda m: self.values[m.group(1)][index[m.group(1)]], self.text
        )

    def _check(self, tokenizer: Any) -> None:
        """Every value in place must give the ids of the whole text."""
        first = dict.fromkeys(self.slots, 0)
        cases = [first] + [
            {**first, slot: i}
            for slot in self.slots
            for i in range(1, len(self.values[slot]))
        ]
        index = {s: torch.tensor([c[s] for c in cases]) for s in self.slots}
        rows, mask = self._fill(len(cases), index, ())
        special = {
            _start_id(tokenizer),
            tokenizer.sep_token_id,
        } - {None}
        for case, row, kept in zip(cases, rows, mask, strict=True):
            text = self.fill(case)
            ours = [i for i in row[kept].tolist() if i not in special]
            if ours != _ids(tokenizer, text):
                raise _cut_across(text)
