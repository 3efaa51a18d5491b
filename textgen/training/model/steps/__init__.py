"""Training steps that differ from those of Keras, one file per backend.

On PyTorch it is always a shorter one. With `accumulate`, every backend reads the lanes of a
batch in groups, one after the other, and updates the weights once: lanes k, k + N, k + 2 N
and so on are group k of N, so that each group has as many lanes of every device. The
gradients of a group count by its share of the characters that count. On several devices of
JAX, each reads its own lanes, and all gradients are summed at once.
"""
