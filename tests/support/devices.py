"""Where code for devices is tested: torch on this processor, and a GPU where there is one."""

import torch

DEVICES = ["cpu:0", *(["cuda"] if torch.cuda.is_available() else [])]
