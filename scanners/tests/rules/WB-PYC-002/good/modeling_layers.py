import torch.nn as nn

LAYERS = {"linear": nn.Linear, "norm": nn.LayerNorm}


def build(config):
    return LAYERS[config["layer_class"]](config["width"])


class Layers(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layer = build(config)
        self.scale = eval("2 * 4")

    def freeze(self):
        self.layer.eval()
