from .download import download_file
from .manifest import file_digests, write_once
from .nyu_index import index_tree, write_index
from .nyu_mat import (
    LABELED_MD5,
    LABELED_SIZE,
    LABELED_URL,
    check_labeled,
    check_request,
    prepare_labeled,
)
from .nyu_split import SPLIT_FILE, read_split
from .public_layout import prepare_public
from .public_sets import PublicSet, read_sets

__all__ = [
    'LABELED_MD5',
    'LABELED_SIZE',
    'LABELED_URL',
    'PublicSet',
    'SPLIT_FILE',
    'check_labeled',
    'check_request',
    'download_file',
    'file_digests',
    'index_tree',
    'prepare_labeled',
    'prepare_public',
    'read_sets',
    'read_split',
    'write_index',
    'write_once',
]
