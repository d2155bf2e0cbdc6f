"""Code that seewhy uses to explain a classifier of leaves: an example of a package of yours.

`seewhy.methods` lists the explanation method. The catalog names the other two modules:

    modules = ["leaf_health.layers"]
    preprocessing = { kind = "module", function = "leaf_health.preprocessing:standardize" }
"""
