"""Tests of what only a GPU can show; everywhere else they are skipped and say so."""

import pytest
import torch

GPUS = torch.cuda.device_count()
no_gpu = pytest.mark.skipif(GPUS == 0, reason="PyTorch sees no GPU here")
one_gpu = pytest.mark.skipif(GPUS < 2, reason=f"PyTorch sees {GPUS} GPU(s) here, not two")
