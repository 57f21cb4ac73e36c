# The field's standard for NYU Depth v2: at the pictures' own size, the Eigen
# crop scaled to it, 1e-3 to 10 m, averages over pictures.
val_evaluator = [
    dict(type='MonocularDepthMetric', protocol='nyu', bootstrap=0),
    dict(type='ValidationLoss'),
]
test_evaluator = [
    dict(
        type='MonocularDepthMetric',
        protocol='nyu',
        alignment=('none', 'median', 'affine'),
        constant_baseline=True,
    ),
]
