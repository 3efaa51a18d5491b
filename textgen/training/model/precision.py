"""Choose float32 or bfloat16 matrix products by timing both."""

from __future__ import annotations

from timeit import repeat

from textgen.config.model import ModelConfig
from textgen.config.train import TrainConfig
from textgen.errors import ConfigError
from textgen.model.architecture import recurrent_layers
from textgen.training.backend.devices import is_on_cpu
from textgen.training.backend.process import processor_flags
from textgen.training.model.kernels import has_device, has_type, product_loop

# Instruction sets with bfloat16 products: vectors and tiles of x86, and Arm.
INSTRUCTIONS = {"avx512_bf16", "amx_bf16", "bf16"}

# Of the products alone, on PyTorch of a layer. They are about half of a step, which is then
# faster by 1.2 or more: worth the lost precision, and above the noise of a busy machine.
MIN_SPEEDUP = 1.5

# Smaller layers gain nothing, and TensorFlow's XLA cannot time the smallest: it has no
# bfloat16 products of up to 8 units in a loop.
MIN_UNITS = 16


def check_dtype(model: ModelConfig, train: TrainConfig) -> None:
    """Refuse a type of products that a person has named and the processor lacks.

    Raises:
        ConfigError: it lacks the type.
    """
    wanted = train.compute_dtype
    is_used = wanted != "auto" and model.has_kernel and has_device()
    if is_used and not has_type(wanted):
        raise ConfigError(
            f"compute_dtype={wanted!r}: this processor has no {wanted} products for "
            "PyTorch. Leave it out, or choose compute_dtype='float32'."
        )


def choose_dtype(model: ModelConfig, train: TrainConfig) -> str:
    """The type that `compute_dtype` means on this machine, `float32` or `bfloat16`.

    It is float32 wherever the kernels do not run or lack the type, even if bfloat16 is
    requested: on a GPU (PyTorch's runs there), for the plain cell, with recurrent dropout.
    Otherwise, for `auto`, the products of the recurrent loop are timed in both types if
    the processor has bfloat16 instructions; this takes about a second.

    >>> model = ModelConfig(vocab_size=2, cell="rnn")
    >>> choose_dtype(model, TrainConfig(compute_dtype="bfloat16"))
    'float32'
    """
    if not model.has_kernel or not has_device():
        return "float32"
    if train.compute_dtype != "auto":
        return train.compute_dtype if has_type(train.compute_dtype) else "float32"
    if not (is_on_cpu() and INSTRUCTIONS & processor_flags()):
        return "float32"
    layer = recurrent_layers(model)[0]
    if layer.units < MIN_UNITS:
        return "float32"
    sizes = (train.batch_size, layer.units, layer.kernel_width)
    float32, bfloat16 = (
        min(repeat(product_loop(dtype, *sizes), number=1, repeat=10))
        for dtype in ("float32", "bfloat16")
    )
    return "bfloat16" if float32 / bfloat16 >= MIN_SPEEDUP else "float32"
