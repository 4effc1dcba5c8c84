"""The script of a shim: `python -I -S start.py ROOT FOLDER`; ROOT is the folder that holds the package."""

import sys

sys.path.append(sys.argv[1])

from rollout.host.shim.background import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[2]))
