"""What is measured, one file a part: each a function of an assignment and of the sheet that it fills."""
