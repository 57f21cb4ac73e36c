# A network of a few million parameters without pretrained weights: every part
# of the method, small enough to train from nothing on a CPU. The vision model
# is trained whole, as there is nothing in it to keep; the language model shows
# LoRA on frozen (here random) weights.
vit_name = 'vit_tiny_patch16_224'
vit_size = (96, 128)

model = dict(
    type='LLMDepthEstimator',
    data_preprocessor=dict(type='DepthPreprocessor', model_name=vit_name),
    backbone=dict(
        type='LLMDepthBackbone',
        vision=dict(
            type='TimmViT',
            model_name=vit_name,
            img_size=vit_size,
            model_kwargs=dict(embed_dim=192, depth=4, num_heads=6),
            finetune='full',
        ),
        language=dict(
            type='HFLanguageModel',
            config=dict(
                model_type='bert',
                hidden_size=192,
                intermediate_size=384,
                num_attention_heads=6,
                num_hidden_layers=2,
                max_position_embeddings=256,
            ),
            dropout=0.0,
            finetune='lora',
            lora=dict(rank=16, alpha=32),
        ),
        prototypes=dict(type='TextPrototypes', num_prototypes=100),
        reprogramming=dict(
            type='CrossModalReprogramming', num_heads=6, dropout=0.0
        ),
        prompt=dict(type='PromptGenerator', mode='adaptive'),
    ),
    # With a path round the language model, whose weights know no language.
    neck=dict(type='APGFusion', channels=96, vision_channels=192),
    decode_head=dict(
        type='AdaptationHead',
        in_channels=96,
        channels=(48, 32, 24),
        norm_cfg=dict(type='GN', num_groups=8),
        loss_decode=[
            dict(
                type='ScaleShiftInvariantLoss',
                loss_weight=0.1,
                gradient_weight=0.0,
            ),
            # A low focus: the quickstart is judged without alignment.
            dict(type='ScaleInvariantLogLoss', variance_focus=0.2),
        ],
    ),
)
