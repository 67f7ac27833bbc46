"""The client's verbs: operations on whole references, grouped by what they act on.

`base` is what the client and its verbs share; the client inherits from `content` and `images`.
"""
