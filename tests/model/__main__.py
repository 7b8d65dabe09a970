"""The contracts against their model, at length.

usage: python -m tests.model [--calls 100000] [--seed 1] [--ends]
"""

import argparse
import time

from tests.model.play import campaign


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ends", action="store_true", help="how often each transaction ended how")
    options = parser.parse_args()
    began = time.monotonic()
    ends = campaign(options.calls, options.seed)
    if options.ends:
        for end, count in sorted(ends.items()):
            print(f"{count:7} {end}")
    done = sum(count for end, count in ends.items() if end.endswith(" done"))
    print(
        f"{sum(ends.values())} transactions, {done} of them successful, {time.monotonic() - began:.0f} s: 0 differences"
    )


if __name__ == "__main__":
    main()
