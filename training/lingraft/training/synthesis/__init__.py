"""Text that is made rather than found: noised, masked, translated, distilled."""
