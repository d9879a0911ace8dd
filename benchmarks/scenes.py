"""Images per second that Scenes renders, in one process and in two, beside the 2,000 asked for at 64 pixels."""

import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from steelyard.datasets.scenes import Scenes, ScenesSettings

SIZES = (32, 64, 96, 128)
IMAGES, CHUNK, PROCESSES, TIMES = 4000, 250, 2, 3


def render_chunk(size: int, first: int) -> int:
    """Render a chunk and count its images; the pixels stay where they are, as with the workers of a loader."""
    world = Scenes(ScenesSettings(size=size), train=IMAGES, val=0, test=0)
    return len(world.render(np.arange(first, min(first + CHUNK, IMAGES))).images)


def per_second(size: int, pool: ProcessPoolExecutor | None) -> float:
    """The best of a few runs, as others may use the machine."""
    images = IMAGES if size <= 64 else IMAGES // 2
    starts = list(range(0, images, CHUNK))
    best = 0.0
    for _ in range(TIMES):
        begin = time.perf_counter()
        counts = (pool.map if pool else map)(render_chunk, [size] * len(starts), starts)
        best = max(best, sum(counts) / (time.perf_counter() - begin))
    return best


def main() -> None:
    """Print a line per size."""
    with ProcessPoolExecutor(PROCESSES) as pool:
        list(pool.map(render_chunk, [32] * PROCESSES, [0] * PROCESSES))  # start the workers, import OpenCV
        for size in SIZES:
            one, two = per_second(size, None), per_second(size, pool)
            print(f"{size:>4} px: {one:6,.0f} images/s in one process, {two:6,.0f} in {PROCESSES}")


if __name__ == "__main__":
    main()
