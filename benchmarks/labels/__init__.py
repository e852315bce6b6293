"""The label table: classifiers of real text, across languages and with few labels."""
