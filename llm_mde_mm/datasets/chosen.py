"""What data sets of files share: a subset, and no picture replaced."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mmengine.logging import print_log

from llm_mde_mm.datasets.seeded import SeededDataset
from llm_mde_mm.datasets.splits import choose, scene_of, split_digest
from llm_mde_mm.utils.errors import DataError


class ChosenDataset(SeededDataset):
    """A data set that uses a subset of the pictures it finds.

    A picture that cannot be loaded raises: it is never replaced by another,
    whatever ``max_refetch`` says. A subclass sets ``subset``, a rule of
    :func:`llm_mde_mm.datasets.splits.choose`, before it calls this class's
    constructor.
    """

    subset: Mapping[str, Any] | None

    def choose(
        self,
        names: Iterable[str],
        label: str,
        where: str,
        type_of: Callable[[str], str] = scene_of,
    ) -> list[str]:
        """Choose the subset and log its size and digest.

        Args:
            names: All names.
            label: What the log calls them.
            where: What an error calls the place they are from.
            type_of: Gives a name's scene type.

        Returns:
            Sorted names.

        Raises:
            DataError: The subset is empty, or its rule does not fit.
        """
        names = list(names)
        chosen = choose(names, self.subset, type_of)
        if not chosen:
            raise DataError(
                f'subset={self.subset} leaves none of the {len(names)} '
                f'pictures of {where}; complement=True takes what '
                'the rule before it did not choose'
            )
        print_log(
            f'{type(self).__name__} {label}: {len(chosen)} of '
            f'{len(names)} pictures, digest {split_digest(chosen)}',
            logger='current',
        )
        return chosen

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on one item.

        Raises:
            DataError: The pipeline gave None, which ``BaseDataset`` would
                answer by another item drawn at random.
        """
        item = super().prepare_data(idx)
        if item is None:
            raise DataError(
                f'{self.get_data_info(idx)["img_path"]}: a transform of the '
                'pipeline gave None for this picture; it must return a '
                'result or raise'
            )
        return item
