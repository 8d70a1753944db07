"""How long and how large a request may be, by every door that looks itself: nobody holds for long what others need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

HEAD_S: Final = 60
"""How long a head may take to come; and how long nothing may come, or be taken, before the connection is closed."""

BODY_S: Final = 600
"""How long a request may take to come as a whole."""

HEAD_BYTES: Final = 64 << 10
"""How long a head may be."""

KEPT_BYTES: Final = (1 << 20) + 1
"""How much of a body is kept where it may not be large: enough to see that it is too large."""

LARGE_BYTES: Final = 64 << 20
"""How much of a body is read at all."""

MEMORY_BYTES: Final = 64 << 10
"""How much of a body is kept in memory; what is longer, goes to a file."""

TOO_SLOW: Final = "The request took too long to come"

MayBeLarge = Callable[[str, Mapping[str, str]], bool]
"""Says by the path and the fields of a request, HOST for Host, whether its body may be large."""
