"""Image processor class for TinyVision."""

import base64
import io
import math
import re
from typing import List, Optional, Union

import numpy as np
import torch
import torchvision.transforms as T
from PIL import Image
from transformers.image_processing_utils import BaseImageProcessor, BatchFeature
from transformers.image_utils import make_list_of_images, to_numpy_array, valid_images

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def smart_resize(height: int, width: int, factor: int = 28, min_pixels: int = 3136, max_pixels: int = 1003520):
    """Rescales so that both sides are divisible by 'factor' and the number of pixels is within the range."""
    if max(height, width) / min(height, width) > 200:
        raise ValueError(f"absolute aspect ratio must be smaller than 200, got {max(height, width) / min(height, width)}")
    h_bar = max(factor, round(height / factor) * factor)
    w_bar = max(factor, round(width / factor) * factor)
    if h_bar * w_bar > max_pixels:
        beta = math.sqrt((height * width) / max_pixels)
        h_bar = math.floor(height / beta / factor) * factor
        w_bar = math.floor(width / beta / factor) * factor
    elif h_bar * w_bar < min_pixels:
        beta = math.sqrt(min_pixels / (height * width))
        h_bar = math.ceil(height * beta / factor) * factor
        w_bar = math.ceil(width * beta / factor) * factor
    return h_bar, w_bar


def decode_image(text: str) -> Image.Image:
    """A picture out of a data address."""
    match = re.match(r"data:image/\w+;base64,(.*)", text, re.DOTALL)
    return Image.open(io.BytesIO(base64.b64decode(match.group(1)))).convert("RGB")


class TinyVisionImageProcessor(BaseImageProcessor):
    model_input_names = ["pixel_values", "image_sizes"]

    def __init__(self, size: int = 224, do_resize: bool = True, image_mean=None, image_std=None, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.do_resize = do_resize
        self.image_mean = image_mean if image_mean is not None else IMAGENET_MEAN
        self.image_std = image_std if image_std is not None else IMAGENET_STD
        self.transform = T.Compose([
            T.Lambda(lambda img: img.convert("RGB") if img.mode != "RGB" else img),
            T.Resize((size, size), interpolation=T.InterpolationMode.BICUBIC),
            T.ToTensor(),
            T.Normalize(mean=self.image_mean, std=self.image_std),
        ])

    def tile(self, image: np.ndarray, rows: int, columns: int) -> List[np.ndarray]:
        height, width = image.shape[:2]
        step_y, step_x = height // rows, width // columns
        return [image[r * step_y : (r + 1) * step_y, c * step_x : (c + 1) * step_x] for r in range(rows) for c in range(columns)]

    def preprocess(self, images, return_tensors: Optional[str] = None, **kwargs) -> BatchFeature:
        images = make_list_of_images(images)
        if not valid_images(images):
            raise ValueError("Invalid image type. Must be of type PIL.Image.Image, numpy.ndarray or torch.Tensor.")
        pixel_values = torch.stack([self.transform(Image.fromarray(to_numpy_array(one))) for one in images])
        sizes = [to_numpy_array(one).shape[:2] for one in images]
        return BatchFeature(data={"pixel_values": pixel_values, "image_sizes": sizes}, tensor_type=return_tensors)


AutoImageProcessor = None
TinyVisionImageProcessor.register_for_auto_class()
