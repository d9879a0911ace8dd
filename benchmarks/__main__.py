"""Run the benchmarks: all that take minutes, or those named on the command line."""

import sys
import time
from importlib import import_module

NAMES = (
    "bootstrap",
    "balance",
    "rba",
    "curve",
    "simulated",
    "scenes",
    "pixels",
    "mlp",
    "loading",
    "training",
    "latent",
    "augment",
    "mitigation",
    "portraits",
    "structured",
)
LONG = ("mitigation", "portraits", "structured")
"""Run when they are named only."""


def main(names: list[str]) -> None:
    """Run each in turn."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        sys.exit(f"there is no benchmark {unknown[0]!r}; choose from {', '.join(NAMES)}")
    for name in names or [name for name in NAMES if name not in LONG]:
        print(f"\n=== {name} ===", flush=True)
        start = time.perf_counter()
        import_module(f"benchmarks.{name}").main()
        print(f"({name}: {time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
