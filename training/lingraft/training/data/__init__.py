"""Text on its way from files to ids, and what keeps train and test apart."""
