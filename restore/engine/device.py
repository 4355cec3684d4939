"""Devices, precisions and memory. The only file that says "cuda" or "mps"."""

import ctypes
import sys
import threading
from contextlib import contextmanager, nullcontext
from functools import cache

import psutil
import torch

from restore.errors import UsageError, nearest

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = {"auto": None, "float32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
CPU_MEMORY = 1 << 30  # what tiles may take on a CPU unless more is allowed: larger tiles bring little speed there


def pick(name: str | None = None) -> torch.device:
    """The device for `auto` (CUDA, else MPS, else the CPU), `cpu`, `cuda`, `cuda:1` or `mps`.

    The MPS path is written but has not been run: no such machine was at hand.
    """
    name = name or "auto"
    kind, colon, index = name.partition(":")
    if kind not in DEVICES or (colon and (kind != "cuda" or not index.isdigit())):
        raise UsageError(f"unknown device {name!r}", "auto, cpu, cuda, cuda:N or mps")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        kind = name = next(kind for kind, there in present.items() if there)
    if not present[kind]:
        raise UsageError(f"there is no {kind} device here", f"one of those present: {', '.join(k for k, there in present.items() if there)}", "leave --device out")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise UsageError(f"there is no device {name}", f"{torch.cuda.device_count()} CUDA device(s) are there")
    if kind == "cpu":
        _keep_memory()
    return torch.device(name)


@cache
def _keep_memory() -> None:
    """Let glibc keep memory for the next call instead of asking the kernel for fresh zeroed pages each time: 24 megapixels take 20 to 30 % less time."""
    if sys.platform == "linux":
        tune = getattr(ctypes.CDLL(None), "mallopt", lambda option, value: 0)
        tune(-3, 1 << 30)  # M_MMAP_THRESHOLD
        tune(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD: what is kept at most


def pick_precision(name: str, device: torch.device, half_ok: bool) -> torch.dtype:
    """The dtype for `auto`, `float32`, `bf16` or `fp16`: auto is fp16 on CUDA where the method allows it, else float32."""
    if name not in PRECISIONS:
        raise UsageError(f"unknown precision {name!r}", nearest(name, PRECISIONS))
    if name == "auto":
        return torch.float16 if device.type == "cuda" and half_ok else torch.float32
    if PRECISIONS[name] != torch.float32 and not half_ok:
        raise UsageError(f"this method does not run in {name}", "float32", "type --precision float32")
    return PRECISIONS[name]


def sent(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """x on the device; the host does not wait for a GPU."""
    return x.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else x.to(device)


def memory(device: torch.device) -> int:
    """Bytes that tiles may take: most of what is free on a GPU; on a CPU half of what is free, at most a gigabyte."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # by torch, for the next call
        return int(0.8 * (torch.cuda.mem_get_info(device)[0] + kept))
    if device.type == "mps":
        return int(0.6 * (torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()))
    return min(psutil.virtual_memory().available // 2, CPU_MEMORY)


def out_of_memory(error: BaseException) -> bool:
    """Whether an allocation failed, on any device."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    words = ("DefaultCPUAllocator", "can't allocate memory", "MPS backend out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(word in str(error) for word in words)


def release(device: torch.device) -> None:
    """Give cached memory back before another try."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def wait(device: torch.device) -> None:
    """Until what was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


class PeakMemory:
    """What a block of code took at most above what was there before: `bytes` on leaving. On a CPU the resident memory is looked at a hundred times a second."""

    def __init__(self, device: torch.device):
        self.device, self.bytes = device, 0

    def __enter__(self):
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
            self.before = torch.cuda.memory_allocated(self.device)
        else:
            _give_back()
            self.process, self.over = psutil.Process(), threading.Event()
            self.before = self.most = self.process.memory_info().rss
            self.watch = threading.Thread(target=self._look, daemon=True)
            self.watch.start()
        return self

    def _look(self) -> None:
        while not self.over.wait(0.01):
            self.most = max(self.most, self.process.memory_info().rss)

    def __exit__(self, kind, error, trace):
        if self.device.type == "cuda":
            self.most = torch.cuda.max_memory_allocated(self.device)
        else:
            self.over.set()
            self.watch.join()
            self.most = max(self.most, self.process.memory_info().rss)
        self.bytes = self.most - self.before


def _give_back() -> None:
    """Memory that was freed returns to the system, where the C library can: what it keeps would be taken again unseen."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim:
            trim(0)


@contextmanager
def numerics(device: torch.device):
    """Inference in full float32 where float32 is asked for: no TF32; restored on leaving."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def of_process(device: torch.device, number: int) -> torch.device:
    """The device of process `number` of those on one machine: its own GPU where `device` names none; it becomes the current one."""
    if device.type != "cuda":
        return device
    device = device if device.index is not None else torch.device("cuda", number % torch.cuda.device_count())
    torch.cuda.set_device(device)
    return device


def compiles(device: torch.device) -> bool:
    """Whether `torch.compile` pays in training."""
    return device.type == "cuda"


def mixed(device: torch.device, precision: str = "auto"):
    """Training's precision. Convolutions in bf16, weights in float32: on CUDA and on CPUs that multiply bf16 themselves (twice as fast there, on others
    slower) by `auto`, anywhere by `bf16`; all in float32 by `float32`."""
    native = device.type == "cuda" or (device.type == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" or (precision == "auto" and native) else nullcontext()


@contextmanager
def training(device: torch.device):
    """The fastest convolutions for sizes that stay the same, TF32 included; restored on leaving."""
    before = torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = before


def describe() -> list[str]:
    """One line per device, for `restore doctor`."""
    lines = [f"cpu, {torch.get_num_threads()} threads, {psutil.virtual_memory().available / 2**30:.1f} GiB free, {torch.backends.cpu.get_cpu_capability()}"]
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        facts = torch.cuda.get_device_properties(index)
        lines.append(f"cuda:{index} {facts.name}, {facts.total_memory / 2**30:.0f} GiB, capability {facts.major}.{facts.minor}")
    if torch.backends.mps.is_available():
        lines.append("mps (untested)")
    return lines
