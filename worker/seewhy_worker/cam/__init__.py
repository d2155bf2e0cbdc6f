"""Explanation methods: the maths of each paper as pure functions of arrays.

`methods` lists them by name. The folders group them by the arrays they need: `layer` the target
layer's activation and gradient, `perturbation` scores of a perturbed network, `pixel` gradients
with respect to the network's input.
"""
