"""All that only a GPU can show, in parts that fit into ten minutes. What is cut off loses only itself."""
