"""Limits on the size of an upload, for every way in which an upload can exhaust a machine."""

from dataclasses import dataclass

MIB, GIB = 2**20, 2**30


@dataclass(frozen=True)
class Limits:
    """The maximum values for an upload, and for the processes that handle it.

    Attributes:
        max_bytes: the size of the file, of its unpacked content, and of its weights.
        max_config_bytes: the size of the description of the network.
        max_depth: the nesting depth of the description's JSON.
        max_layers: the number of layers in all submodels together.
        max_parameters: the number of parameters of the network.
        max_values: the number of values between two layers for one photo.
        max_multiply_adds: the number of multiply-adds for one photo.
        reader_memory_bytes: the address space of the process that reads the file.
        builder_memory_bytes: the address space of the process that builds the network; TensorFlow alone needs 3 GiB.
        reader_cpu_seconds: the processor time of the process that reads the file.
        builder_cpu_seconds: the processor time of the process that builds the network.
        timeout_seconds: the wall-clock time of each process.
    """

    max_bytes: int = 2 * GIB
    max_config_bytes: int = 16 * MIB
    max_depth: int = 64
    max_layers: int = 5_000
    max_parameters: int = 500_000_000
    max_values: int = 100_000_000
    max_multiply_adds: int = 500_000_000_000
    reader_memory_bytes: int = 1 * GIB
    builder_memory_bytes: int = 12 * GIB
    reader_cpu_seconds: int = 25
    builder_cpu_seconds: int = 300
    timeout_seconds: int = 600
