"""What a person sees of a run: its state, made of events, and the text it becomes."""
