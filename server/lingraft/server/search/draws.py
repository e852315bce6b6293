"""Random numbers that are a function of seed, stream and counter: no state, no other row in them.

The mixing function is that of SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom
number generators", OOPSLA 2014.
"""

from __future__ import annotations

_MASK = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


def uniform(seed: int, stream: int, counter: int) -> float:
    """A number from 0 to below 1, in steps of 2**-53. Any integers are good arguments."""
    state = _mix(_mix(_mix(seed & _MASK) + stream * _GAMMA) + (counter + 1) * _GAMMA)
    return (state >> 11) * 2.0**-53


def _mix(state: int) -> int:
    state &= _MASK
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
    return state ^ (state >> 31)
