"""The pixel changes beside the published ones, on one image of COCO's size.

Published are Python loops over the pixels of a box (faces, and imSitu's people), and Pillow's filters of the whole
image for segments (https://github.com/uvavision/Balanced-Datasets-Are-Not-Enough); both are written anew here.
"""

import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from steelyard.mitigation.pixels.changes import blackout, blackout_boxes, blur, edges, greyscale

HEIGHT, WIDTH = 480, 640
PERSON = 210, 60, 430, 480  # left, top, right, bottom: a fifth of the image in its outline
FACES = (285, 75, 355, 165), (520, 200, 548, 236)
EXPECTED = 50.0
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def photograph() -> tuple[Pixels, Mask]:
    """Smooth noise for an image, an ellipse for a person."""
    rng = np.random.default_rng(0)
    image = cv2.GaussianBlur(rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), (0, 0), 2.0)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    left, top, right, bottom = PERSON
    across = (columns - (left + right) / 2) / ((right - left) / 2)
    down = (rows - (top + bottom) / 2) / ((bottom - top) / 2)
    return np.asarray(image, dtype=np.uint8), across**2 + down**2 < 1.0


def published_boxes(image: Image.Image, boxes: tuple[tuple[int, int, int, int], ...]) -> Image.Image:
    """A mask set pixel by pixel, then composed with a black picture, as published for faces and imSitu's people."""
    black = Image.fromarray(np.zeros((image.size[1], image.size[0])))
    mask = np.zeros((image.size[1], image.size[0]))
    for left, top, right, bottom in boxes:
        for column in range(left, right):
            for row in range(top, bottom):
                mask[row][column] = 1
    chosen = Image.fromarray(255 * (mask > 0).astype("uint8")).resize(image.size, Image.Resampling.LANCZOS)
    return Image.composite(black, image, chosen)


def published_segment(image: Image.Image, mask: Mask, change: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Pillow's filter of the whole image, composed with it, as published for segments."""
    return Image.composite(change(image), image, Image.fromarray(255 * mask.astype("uint8")))


def best_ms(run: Callable[[], object], least_s: float = 0.4) -> float:
    """Milliseconds of the quickest of a few runs, as others may use the machine."""
    best, spent, runs = float("inf"), 0.0, 0
    while spent < least_s or runs < 3:
        begin = time.perf_counter()
        run()
        took = time.perf_counter() - begin
        best, spent, runs = min(best, took), spent + took, runs + 1
    return 1e3 * best


def main() -> None:
    """Print a line for each change."""
    cv2.setNumThreads(1)
    image, mask = photograph()
    picture = Image.fromarray(image)
    print(
        f"one image of {WIDTH} × {HEIGHT} pixels, one thread; expected of the published loops: {EXPECTED:.0f}× or more"
    )
    print(f"{'':<18}{'steelyard':>12} {'published':>12}")
    for name, boxes in (("blackout-face", FACES), ("blackout-box", (PERSON,))):
        sides = np.array(boxes, dtype=np.float64)
        assert (blackout_boxes(image, sides) == np.asarray(published_boxes(picture, boxes))).all()
        ours = best_ms(lambda sides=sides: blackout_boxes(image, sides))
        theirs = best_ms(lambda boxes=boxes: published_boxes(picture, boxes))
        verdict = "" if theirs / ours >= EXPECTED else f"  less than {EXPECTED:.0f}×"
        print(f"{name:<18}{ours:9.3f} ms {theirs:9.2f} ms  loop {theirs / ours:7.0f}×{verdict}", flush=True)
    segments = {
        "blackout-segment": (blackout, lambda one: Image.fromarray(np.zeros((one.size[1], one.size[0])))),
        "blur-segment": (blur, lambda one: one.filter(ImageFilter.GaussianBlur(radius=10))),
        "edges-segment": (edges, lambda one: one.convert("L").filter(ImageFilter.CONTOUR)),
        "greyscale-segment": (greyscale, lambda one: one.convert("L")),
    }
    for name, (change, pillow) in segments.items():
        ours = best_ms(lambda change=change: change(image, mask))
        theirs = best_ms(lambda pillow=pillow: published_segment(picture, mask, pillow))
        print(f"{name:<18}{ours:9.3f} ms {theirs:9.2f} ms  Pillow {theirs / ours:5.1f}×", flush=True)


if __name__ == "__main__":
    main()
