# Scored at the pictures' own size, the NYU crop scaled to it, 1e-3 to 10 m.
val_evaluator = [
    dict(type='MonocularDepthMetric', crop='nyu_eigen'),
    dict(type='ValidationLoss'),
]
test_evaluator = [
    dict(
        type='MonocularDepthMetric',
        crop='nyu_eigen',
        alignment=('none', 'median', 'affine'),
        constant_baseline=True,
    ),
]
