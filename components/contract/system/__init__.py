"""Files, caches, addresses, processes and memory of the machine. Import any module."""

from components.contract.system.posix import require_posix

require_posix()
