"""The transfer table: what a parent gives at several sizes of child, and the planned negatives."""
