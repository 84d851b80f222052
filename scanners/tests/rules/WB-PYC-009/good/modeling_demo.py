import functools
import os

import torch

os.environ["TOKENIZERS_PARALLELISM"] = "false"
load = functools.partial(torch.load, weights_only=True)


class Net(torch.nn.Module):
    def forward(self, x):
        return x


def plain(self, x):
    return x + 1


Net.forward = plain
torch.backends.cuda.matmul.allow_tf32 = True
