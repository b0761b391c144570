"""The Redis service: two fronts, one worker; and the tools to test and repair it.

A front (pubsub.py, streams.py) moves requests from Redis into the inbox (inbox.py),
in a thread of its own; the worker (worker.py) takes batches out of it, predicts and
answers through the front.
"""
