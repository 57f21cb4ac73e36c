"""Tiny configs of some families of language models."""

_COMMON = dict(
    hidden_size=32,
    intermediate_size=64,
    num_attention_heads=4,
    num_hidden_layers=2,
)
COMPILED = ('bert', 'gpt2', 'mpnet', 'roberta', 'llama', 'qwen2')
FAMILIES = (*COMPILED, 'gpt_neox', 'electra', 'albert')
CAUSAL = ('gpt2', 'llama', 'qwen2', 'gpt_neox')
# These count positions from behind their padding index, 1.
FROM_TWO = ('mpnet', 'roberta')


def family_cfg(family, positions):
    """Config of random weights with so many positions for tokens."""
    if family == 'gpt2':
        sizes = dict(n_embd=32, n_head=4, n_layer=2, n_positions=positions)
    else:
        offset = 2 if family in FROM_TWO else 0
        sizes = dict(_COMMON, max_position_embeddings=positions + offset)
    if family in ('llama', 'qwen2'):
        sizes['num_key_value_heads'] = 2
    if family in ('electra', 'albert'):
        sizes['embedding_size'] = 32
    return dict(model_type=family, **sizes)
