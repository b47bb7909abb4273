"""Taking away from hosts what the phases put there, and refusing to where that is not ours."""

from .belonging import refuse_others
from .clearing import by_name, clear, left, take_away

__all__ = ["by_name", "clear", "left", "refuse_others", "take_away"]
