"""Files, caches, addresses, processes and memory of the machine."""

from components.contract.system.posix import require_posix

require_posix()
