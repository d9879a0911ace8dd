"""Draw one image of a data set beside every pixel change of it, as one strip.

Usage: python scripts/pixel_strip.py DATASET SOURCE ID --out STRIP.png [--faces detector|BOXES.csv]

The strip in docs/images is made of a rendered image, since published photographs may not be copied:
python scripts/pixel_strip.py scenes docs/images/pixels.yaml train-000006 --out docs/images/pixels.png
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from steelyard.base.errors import InputError, SteelyardError
from steelyard.datasets.catalog import open_dataset
from steelyard.datasets.dataset import Dataset
from steelyard.datasets.face_detector import FaceDetector
from steelyard.datasets.face_finding import DETECT, open_faces
from steelyard.datasets.faces import FaceBoxes, Faces
from steelyard.mitigation.pixels import PIXEL_CHANGES, pixel_change

GAP, LINE = 8, 22  # pixels between pictures, and for the words below
LEAST = 170  # pixels that the words below a picture need


def strip(dataset: Dataset, image_id: str, faces: Faces | None) -> tuple[NDArray[np.uint8], list[str]]:
    """`[h, w, 3]`: the image and each change that the data set allows, and why each other is left out."""
    image = dataset.image(image_id)
    pictures, refused = {"original": image}, []
    for name in PIXEL_CHANGES:
        try:
            pictures[name] = pixel_change(name, dataset, faces=faces)(image_id, image)
        except InputError as error:
            refused.append(f"{name} is left out: {error}")
    return np.concatenate([framed(name, picture) for name, picture in pictures.items()], axis=1), refused


def framed(name: str, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture on white, with its name below."""
    times = -(-LEAST // picture.shape[1])
    large = np.repeat(np.repeat(picture, times, axis=0), times, axis=1)
    canvas = np.full((large.shape[0] + GAP + LINE, large.shape[1] + GAP, 3), 255, dtype=np.uint8)
    canvas[GAP // 2 : GAP // 2 + large.shape[0], GAP // 2 : GAP // 2 + large.shape[1]] = large
    foot = GAP // 2, canvas.shape[0] - LINE // 3
    cv2.putText(canvas, name, foot, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    return canvas


def main(arguments: list[str]) -> None:
    """Write the strip."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", help="coco, imsitu, celeba or scenes")
    parser.add_argument("source", help="the data set's folder; for scenes a YAML file or the word default")
    parser.add_argument("image_id", help="an id of its labels")
    parser.add_argument("--out", required=True, type=Path, help="the PNG file to write")
    parser.add_argument("--faces", help=f"a table of boxes, or the word {DETECT}")
    given = parser.parse_args(arguments)
    try:
        dataset = open_dataset(given.dataset, given.source)
        faces: Faces | None = None
        if given.faces == DETECT:
            found = FaceDetector()(dataset.image(given.image_id))
            faces = FaceBoxes({given.image_id: found}, DETECT, others_have_none=False)
        elif given.faces is not None:
            faces = open_faces(dataset, given.faces)
        made, refused = strip(dataset, given.image_id, faces)
    except SteelyardError as error:
        sys.exit(str(error))
    print(*refused, sep="\n", end="\n" if refused else "")
    if not cv2.imwrite(str(given.out), cv2.cvtColor(made, cv2.COLOR_RGB2BGR)):
        sys.exit(f"--out {given.out}: cannot be written; name another file")


if __name__ == "__main__":
    main(sys.argv[1:])
