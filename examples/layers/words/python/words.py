"""What a layer brings: files below python/ are modules of every Python function that has it."""

HELLO = {"de": "Hallo", "en": "Hello", "pl": "Cześć"}
