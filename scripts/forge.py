"""Prints the path of the real forge binary: npm's own wrapper exits 0 even when tests fail.

usage: python -m scripts.forge
"""

from oracle.adapters.anvil import foundry_binary


def main() -> None:
    print(foundry_binary("forge"))


if __name__ == "__main__":
    main()
