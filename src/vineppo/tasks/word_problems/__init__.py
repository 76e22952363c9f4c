"""Word problems in English, made from templates, with worked solutions."""
