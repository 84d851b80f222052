"""A diffusion pipeline of this repository."""

import inspect
from typing import Callable, List, Optional, Union

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiffusionPipeline, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion import StableDiffusionPipelineOutput
from diffusers.utils import deprecate, logging
from transformers import CLIPTextModel, CLIPTokenizer

logger = logging.get_logger(__name__)


class MixturePipeline(DiffusionPipeline):
    r"""
    Pipeline which blends two prompts.

    Args:
        vae ([`AutoencoderKL`]): Variational Auto-Encoder (VAE) model.
        text_encoder ([`CLIPTextModel`]): Frozen text-encoder.
    """

    model_cpu_offload_seq = "text_encoder->unet->vae"

    def __init__(self, vae: AutoencoderKL, text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer, unet: UNet2DConditionModel, scheduler: DDIMScheduler):
        super().__init__()
        if hasattr(scheduler.config, "steps_offset") and scheduler.config.steps_offset != 1:
            message = "The configuration file of this scheduler is outdated. `steps_offset` should be set to 1."
            deprecate("steps_offset!=1", "1.0.0", message, standard_warn=False)
        self.register_modules(vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler)
        self.vae_scale_factor = 2 ** (len(self.vae.config.block_out_channels) - 1)

    def encode_prompt(self, prompt, device):
        ids = self.tokenizer(prompt, padding="max_length", max_length=self.tokenizer.model_max_length, truncation=True, return_tensors="pt").input_ids
        return self.text_encoder(ids.to(device))[0]

    def prepare_extra_step_kwargs(self, generator, eta):
        accepts_eta = "eta" in set(inspect.signature(self.scheduler.step).parameters.keys())
        extra_step_kwargs = {}
        if accepts_eta:
            extra_step_kwargs["eta"] = eta
        return extra_step_kwargs

    @torch.no_grad()
    def __call__(
        self,
        prompt: Union[str, List[str]],
        second: Union[str, List[str]],
        blend: float = 0.5,
        height: int = 512,
        width: int = 512,
        num_inference_steps: int = 50,
        guidance_scale: float = 7.5,
        generator: Optional[torch.Generator] = None,
        callback: Optional[Callable[[int, int, torch.Tensor], None]] = None,
        eta: float = 0.0,
    ):
        if height % 8 != 0 or width % 8 != 0:
            raise ValueError(f"`height` and `width` have to be divisible by 8 but are {height} and {width}.")
        device = self._execution_device
        embeddings = (1 - blend) * self.encode_prompt(prompt, device) + blend * self.encode_prompt(second, device)
        empty = self.encode_prompt([""], device)
        latents = torch.randn((1, self.unet.config.in_channels, height // 8, width // 8), generator=generator, device=device)
        self.scheduler.set_timesteps(num_inference_steps, device=device)
        latents = latents * self.scheduler.init_noise_sigma
        extra = self.prepare_extra_step_kwargs(generator, eta)
        for i, t in enumerate(self.progress_bar(self.scheduler.timesteps)):
            model_input = self.scheduler.scale_model_input(torch.cat([latents] * 2), t)
            noise = self.unet(model_input, t, encoder_hidden_states=torch.cat([empty, embeddings])).sample
            unconditional, conditional = noise.chunk(2)
            noise = unconditional + guidance_scale * (conditional - unconditional)
            latents = self.scheduler.step(noise, t, latents, **extra).prev_sample
            if callback is not None:
                callback(i, t, latents)
        image = self.vae.decode(latents / 0.18215).sample
        image = (image / 2 + 0.5).clamp(0, 1).cpu().permute(0, 2, 3, 1).float().numpy()
        return StableDiffusionPipelineOutput(images=self.numpy_to_pil(image), nsfw_content_detected=None)
