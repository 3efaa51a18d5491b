"""Whether a training is better off with bfloat16 products, found out by trying."""

from __future__ import annotations

from timeit import repeat

from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.model.architecture import recurrent_layers
from textgen.training.backend.process import processor_flags
from textgen.training.model.kernels import has_device, product_loop

# The processors' names for products of bfloat16: x86's vectors and tiles, Arm's.
INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16"}

# Rounded products must pay for their lost digits, and a busy machine must not decide.
LEAST_GAIN = 1.5


def choose_dtype(model: ModelConfig, train: TrainConfig) -> str:
    """What `compute_dtype` comes to on this machine, `float32` or `bfloat16`.

    float32 wherever the kernels do not run, also if bfloat16 is asked for: on a GPU, for
    the plain cell, with recurrent dropout. Otherwise, for `auto`, the products of the
    recurrent loop are timed in both types, if the processor has instructions for bfloat16;
    this takes about a second.

    >>> model = ModelConfig(vocab_size=2, cell="rnn")
    >>> choose_dtype(model, TrainConfig(compute_dtype="bfloat16"))
    'float32'
    """
    if not model.has_kernel or not has_device():
        return "float32"
    if train.compute_dtype != "auto":
        return train.compute_dtype
    if not INSTRUCTIONS & processor_flags():
        return "float32"
    layer = recurrent_layers(model)[0]
    sizes = (train.batch_size, layer.units, layer.gate_width)
    float32, bfloat16 = (
        min(repeat(product_loop(dtype, *sizes), number=1, repeat=10))
        for dtype in ("float32", "bfloat16")
    )
    return "bfloat16" if float32 / bfloat16 >= LEAST_GAIN else "float32"
