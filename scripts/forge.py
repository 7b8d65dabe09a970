"""Prints the path of the real forge binary: npm's own wrapper exits 0 even when tests fail.

usage: python -m scripts.forge
"""

from oracle.adapters.anvil import anvil_binary


def main() -> None:
    anvil = anvil_binary()
    print(str(anvil).replace("anvil", "forge"))


if __name__ == "__main__":
    main()
