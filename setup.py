"""Packaging. Tool settings are in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
VERSION = ROOT / 'llm_mde_mm' / 'version.py'

setup(
    name='llm_mde_mm',
    version=VERSION.read_text().split("'")[1],
    description='LLM-MDE: monocular depth by a reprogrammed language model, '
    'for the OpenMMLab depth stack',
    long_description=(ROOT / 'README.md').read_text(),
    long_description_content_type='text/markdown',
    packages=find_packages(include=['llm_mde_mm', 'llm_mde_mm.*']),
    package_data={'llm_mde_mm': ['assets/**/*']},
    python_requires='>=3.11',
    # Lower bounds are versions that the tests were run with.
    install_requires=[
        'numpy>=2.4',
        'onedl-mmcv>=2.3.6',
        'onedl-mmengine>=0.10.12',
        'onedl-mmsegmentation>=1.4.2',
        'peft>=0.21',
        'safetensors>=0.8',
        'timm>=1.0.31',
        'torch>=2.15',
        'tqdm>=4.70',
        'transformers>=5.23',
    ],
    extras_require={
        'data': ['h5py>=3.16'],
        'dev': [
            'h5py>=3.16',
            'hypothesis>=6.170',
            'mypy>=2.4',
            'pytest>=9.2',
            'pytest-timeout>=2.4',
            'pytest-xdist>=3.8',
            'ruff>=0.17',
        ],
    },
)
