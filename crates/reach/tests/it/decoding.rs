//! From objects to the model: defaults, what is refused, and where the problem is.
