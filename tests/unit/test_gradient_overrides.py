"""The custom gradient of matrix products gives the numbers of TensorFlow's."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from seewhy_worker.keras_backend.gradient_overrides import override_gradients

RNG = np.random.default_rng(3)


def second_derivatives(product: Any, a: Any) -> list[Any]:
    """Return the gradient of the sum of cubes of `product(a)`, and the gradient of its squares."""
    with override_gradients():
        total = tf.reduce_sum(product(a) ** 3)
    (gradient,) = tf.gradients(total, a)
    return [gradient, *tf.gradients(tf.reduce_sum(gradient**2), a)]


@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_both_derivatives_of_a_matrix_product_are_those_of_its_formula(
    rows: int, transpose_a: bool, transpose_b: bool
) -> None:
    a, b = RNG.normal(size=(rows, 7)).astype(np.float32), RNG.normal(size=(7, 4))
    given = tf.constant(a.T if transpose_a else a)
    matrix = tf.constant((b.T if transpose_b else b).astype(np.float32))

    def product(value: Any) -> Any:
        return tf.matmul(value, matrix, transpose_a=transpose_a, transpose_b=transpose_b)

    first, second = tf.function(lambda value: second_derivatives(product, value))(given)
    y = a @ b
    expected = 3 * y**2 @ b.T  # d Σ y³ / da
    curved = 2 * ((expected @ b) * 6 * y) @ b.T  # d Σ (3 y² bᵀ)² / da
    for found, exact in ((first, expected), (second, curved)):
        np.testing.assert_allclose(found, exact.T if transpose_a else exact, rtol=1e-4, atol=1e-3)
