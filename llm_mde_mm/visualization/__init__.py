"""Depth colours and sheets that compare predictions with ground truth."""

from .colour import colourise_depth
from .comparison_sheet import SheetRow, comparison_sheet

__all__ = ['SheetRow', 'colourise_depth', 'comparison_sheet']
