"""Our credit inside other people's trainers: one package each, an extra of its own, imported by nothing of ours."""
