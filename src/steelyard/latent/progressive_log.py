"""The log of a progressive GAN: lines and numbers as of any run, and pictures of samples."""

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError
from steelyard.training.logs import RunLog


class GrowthLog(RunLog):
    """A run's log that takes pictures, too."""

    def picture(self, name: str, image: NDArray[np.uint8], step: int) -> None:
        """Show a picture `[h, w, 3]` in TensorBoard.

        Raises:
            InputError: the disk is full.
        """
        if self._board is None:
            return
        try:
            self._board.add_image(name, image, step, dataformats="HWC")
        except OSError as error:
            raise InputError(f"{name}: cannot be logged ({error.strerror}); make room, then resume") from None
