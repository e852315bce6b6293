"""How often Python looks for cycles among objects, once everything is loaded."""

import gc

# Objects that are made before Python looks for cycles among them, and how many such looks there are
# before older ones are looked at too. With Python's own, a large call stops all threads for 0.3 s.
_CYCLES = (50_000, 20, 20)


def collect_less() -> None:
    """What is loaded by now stays for good: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_CYCLES)
