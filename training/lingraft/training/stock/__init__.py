"""Stock Transformers checkpoints, made elsewhere, into bundles: `lingraft-train export`."""
