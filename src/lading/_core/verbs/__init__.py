"""The client's verbs: operations on whole references, grouped by what they act on.

`base` is the base class that the client shares with its verbs; the client inherits from `content` and `images`.
"""
