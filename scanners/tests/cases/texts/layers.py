"""Layers with tables, decorators, metaclasses and what else ordinary model code does when it is imported."""

import dataclasses
import enum
import functools
import math
import typing as t
import warnings
from collections import OrderedDict, namedtuple

import numpy as np
import torch
from torch import nn

T = t.TypeVar("T", bound=nn.Module)
Shape = namedtuple("Shape", ["height", "width"])
REGISTRY: t.Dict[str, t.Type[nn.Module]] = {}
SIZES = {name: 2**power for power, name in enumerate(("nano", "micro", "tiny", "small"), start=5)}
WINDOW = np.hanning(32).astype(np.float32)
POSITIONS = [math.sin(n / 100) for n in range(512)]

if tuple(int(x) for x in torch.__version__.split("+")[0].split(".")[:2]) < (1, 13):
    warnings.warn("torch is old; attention is computed without a fused kernel")


class Norm(str, enum.Enum):
    LAYER = "layer"
    RMS = "rms"

    @classmethod
    def _missing_(cls, value):
        return cls.LAYER


def register(name: str) -> t.Callable[[t.Type[T]], t.Type[T]]:
    """Puts a class into the registry under a name."""

    def decorate(cls: t.Type[T]) -> t.Type[T]:
        REGISTRY[name] = cls
        return cls

    return decorate


def build(name: str, **options) -> nn.Module:
    return REGISTRY[name](**options)


@dataclasses.dataclass(frozen=True)
class BlockConfig:
    width: int = SIZES["tiny"]
    heads: int = 4
    norm: Norm = Norm.RMS
    dropout: float = dataclasses.field(default=0.0, metadata={"range": (0, 1)})

    @property
    def head_width(self) -> int:
        return self.width // self.heads


@functools.lru_cache(maxsize=32)
def frequencies(width: int, length: int, base: float = 10_000.0) -> torch.Tensor:
    steps = 1.0 / base ** (torch.arange(0, width, 2).float() / width)
    return torch.polar(torch.ones(length, width // 2), torch.outer(torch.arange(length), steps))


class Registered(type(nn.Module)):
    """Classes with a `key` register themselves."""

    def __new__(mcs, name, bases, body):
        made = super().__new__(mcs, name, bases, body)
        if key := body.get("key"):
            REGISTRY[key] = made
        return made


class Scale(nn.Module, metaclass=Registered):
    key = "scale"

    def __init__(self, width: int, start: float = 1e-5) -> None:
        super().__init__()
        self.gamma = nn.Parameter(start * torch.ones(width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gamma


@register("swiglu")
class SwiGLU(nn.Module):
    def __init__(self, width: int, hidden: t.Optional[int] = None) -> None:
        super().__init__()
        hidden = hidden or int(8 / 3 * width)
        self.project = nn.Linear(width, 2 * hidden)
        self.back = nn.Linear(hidden, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate, value = self.project(x).chunk(2, dim=-1)
        return self.back(nn.functional.silu(gate) * value)


class Block(nn.Sequential):
    def __init__(self, config: BlockConfig = BlockConfig()) -> None:
        super().__init__(OrderedDict(norm=nn.LayerNorm(config.width), mlp=SwiGLU(config.width), scale=Scale(config.width)))

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.kinds = {**getattr(cls, "kinds", {}), cls.__name__: cls}

    def __getattr__(self, name: str):
        if name == "width":
            return getattr(super().__getattr__("norm"), "normalized_shape")[0]
        return super().__getattr__(name)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + super().forward(x)


def load_weights(model: nn.Module, state: t.Mapping[str, torch.Tensor]) -> t.List[str]:
    """Loads what fits and returns the names of what does not."""
    own = model.state_dict()
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    model.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))


if __name__ == "__main__":
    made = Block()
    print(made(torch.zeros(1, 3, BlockConfig().width)).shape)
