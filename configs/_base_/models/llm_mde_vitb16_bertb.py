# ViT-Base/16 at 224 and a 12-layer BERT-base, LoRA on both.
#
# VIT_WEIGHTS and LLM_WEIGHTS each take a hub name, a local path or 'random'.
vit_name = 'vit_base_patch16_clip_quickgelu_224.openai'
vit_weights = '{{$VIT_WEIGHTS:vit_base_patch16_clip_quickgelu_224.openai}}'
llm_weights = '{{$LLM_WEIGHTS:google-bert/bert-base-uncased}}'

model = dict(
    type='LLMDepthEstimator',
    data_preprocessor=dict(
        type='DepthPreprocessor', model_name=vit_name, weights=vit_weights
    ),
    backbone=dict(
        type='LLMDepthBackbone',
        vision=dict(
            type='TimmViT',
            model_name=vit_name,
            weights=vit_weights,
            img_size=(224, 224),
            blocks=-1,
            finetune='lora',
            lora=dict(rank=8, alpha=16),
            # Less memory for a tenth more time; False where there is enough.
            with_cp=True,
        ),
        language=dict(
            type='HFLanguageModel',
            weights=llm_weights,
            # Read where weights are 'random': BERT-base.
            config=dict(model_type='bert', vocab_size=30522),
            dropout=0.0,
            finetune='lora',
            lora=dict(rank=8, alpha=16),
        ),
        prototypes=dict(type='TextPrototypes', num_prototypes=1000),
        reprogramming=dict(type='CrossModalReprogramming', num_heads=8),
        prompt=dict(type='PromptGenerator', mode='adaptive'),
    ),
    neck=dict(type='APGFusion', channels=256),
    decode_head=dict(
        type='AdaptationHead',
        in_channels=256,
        channels=(192, 96, 48),
        # The paper's. Group norm brings each picture to the same contrast,
        # which costs accuracy in rooms that training has not seen. Several
        # processes on CPUs need dict(type='GN', num_groups=8).
        norm_cfg=dict(type='SyncBN'),
        min_depth=1e-3,
        max_depth=10.0,
        loss_decode=[
            dict(type='ScaleShiftInvariantLoss', gradient_weight=0.1),
            dict(type='ScaleInvariantLogLoss'),
        ],
    ),
)
