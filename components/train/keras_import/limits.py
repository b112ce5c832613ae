"""How large an upload may be, in every way in which one can be made to exhaust a machine."""

from dataclasses import dataclass

MIB, GIB = 2**20, 2**30


@dataclass(frozen=True)
class Limits:
    """What an upload may measure, and what the processes that handle it may use.

    Attributes:
        max_bytes: of the file, of what it unpacks to, and of its weights.
        max_config_bytes: of the description of the network.
        max_depth: of the JSON of the description.
        max_layers: in all submodels together.
        max_parameters: of the network.
        max_values: that one photo may become between two layers.
        max_multiply_adds: for one photo.
        reader_memory_bytes: address space of the process that reads the file.
        builder_memory_bytes: address space of the process that builds the network; TensorFlow alone takes 3 GiB.
        reader_cpu_seconds: processor time of the former.
        builder_cpu_seconds: processor time of the latter.
        timeout_seconds: wall time of each.
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
