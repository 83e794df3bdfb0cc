"""`python -m asr`, which launchers of several processes need: `accelerate launch -m asr train …`."""

from asr.cli import main

main()
