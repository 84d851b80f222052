import torch.nn as nn


def build(config):
    return eval(config["layer_class"])(config["width"])


class Layers(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layer = build(config)
