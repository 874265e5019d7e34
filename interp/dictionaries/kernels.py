"""The sparse part of a dictionary's training step on CPU, compiled: select, decode, and every gradient, row by row.

At d_model 128 and 1,024 features the encoder product is cheap and choosing the k largest of each row dominates, so the
selection is exact but avoids sorting: the k-th largest of the group maxima is a lower bound on the k-th largest value,
and only groups that reach it are looked into. Gradients are closed forms of the squared error (and the L1 term), so
autograd never builds a dense [rows, features] graph. Sites are independent and run in parallel; inside a site rows
are taken in order, so results do not depend on the number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

GROUP = 16


@njit(cache=True, fastmath=True)
def _kth_largest(values: np.ndarray, count: int, k: int) -> float:
    """k-th largest (from 1) of the first `count` entries, which are reordered (Hoare's selection)."""
    low, high, target = 0, count - 1, k - 1
    while low < high:
        pivot = values[(low + high) // 2]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if target <= right:
            high = right
        elif target >= left:
            low = left
        else:
            break
    return values[target]


@njit(cache=True, fastmath=True)
def _group_maxima(row: np.ndarray, maxima: np.ndarray, groups: int) -> None:
    for group in range(groups):
        best = row[group * GROUP]
        for lane in range(1, GROUP):
            best = max(best, row[group * GROUP + lane])
        maxima[group] = best


@njit(cache=True, fastmath=True)
def select_largest(
    row: np.ndarray, k: int, indices: np.ndarray, values: np.ndarray, maxima: np.ndarray, scratch: np.ndarray
) -> int:
    """Indices and values of the positive entries among the k largest of `row`; returns how many there are.

    The width of `row` must be a multiple of GROUP. Among equal values at the border the first ones win.
    """
    groups = row.shape[0] // GROUP
    _group_maxima(row, maxima, groups)
    bound = np.float32(0.0)
    if groups >= k:
        scratch[:groups] = maxima[:groups]
        bound = max(bound, np.float32(_kth_largest(scratch, groups, k)))
    found = 0
    for group in range(groups):
        if maxima[group] >= bound:
            for index in range(group * GROUP, (group + 1) * GROUP):
                if row[index] >= bound and row[index] > 0:
                    indices[found] = index
                    values[found] = row[index]
                    found += 1
    if found <= k:
        return found
    scratch[:found] = values[:found]
    return _keep_largest(k, found, _kth_largest(scratch, found, k), indices, values)


@njit(cache=True)
def _keep_largest(k: int, found: int, border: float, indices: np.ndarray, values: np.ndarray) -> int:
    """Compact the candidates in place to those above `border` and as many at it as still fit into k."""
    above = 0
    for candidate in range(found):
        above += values[candidate] > border
    ties, kept = k - above, 0
    for candidate in range(found):
        value = values[candidate]
        if value > border or (value == border and ties > 0):
            ties -= value == border
            indices[kept], values[kept] = indices[candidate], value
            kept += 1
    return kept


@njit(cache=True, fastmath=True)
def select_above(row: np.ndarray, threshold: np.ndarray, indices: np.ndarray, values: np.ndarray) -> int:
    """Indices and values of the entries above each feature's threshold; returns how many there are."""
    found = 0
    for index in range(row.shape[0]):
        if row[index] > threshold[index]:
            indices[found] = index
            values[found] = row[index]
            found += 1
    return found


@njit(cache=True, fastmath=True)
def _decode(indices: np.ndarray, values: np.ndarray, count: int, decoder: np.ndarray, out: np.ndarray) -> None:
    """out += sum of values * decoder rows."""
    for entry in range(count):
        value, direction = values[entry], decoder[indices[entry]]
        for dim in range(out.shape[0]):
            out[dim] += value * direction[dim]


@njit(cache=True, fastmath=True)
def _dot(left: np.ndarray, right: np.ndarray) -> np.float32:
    total = np.float32(0.0)
    for dim in range(left.shape[0]):
        total += left[dim] * right[dim]
    return total


@njit(cache=True, fastmath=True)
def _backward_row(  # type: ignore[no-untyped-def]
    indices, values, count, error, inputs, decoder, l1, grad_decoder, grad_encoder, grad_bias
):
    """Add one row's gradients of |error|^2 + l1 * sum(values)."""
    for entry in range(count):
        feature, value = indices[entry], values[entry]
        slope = 2 * _dot(error, decoder[feature]) + l1
        to_decoder, to_encoder = grad_decoder[feature], grad_encoder[feature]
        doubled = 2 * value
        for dim in range(error.shape[0]):
            to_decoder[dim] += doubled * error[dim]
            to_encoder[dim] += slope * inputs[dim]
        grad_bias[feature] += slope


@njit(cache=True, fastmath=True)
def _threshold_row(row, threshold, bandwidth, l0, error, decoder, grad_threshold):  # type: ignore[no-untyped-def]
    """Add one row's pseudo-gradient of |error|^2 + l0 * (number of active features) on the thresholds."""
    for feature in range(row.shape[0]):
        border = threshold[feature]
        if abs(row[feature] - border) < bandwidth / 2:
            slope = 2 * _dot(error, decoder[feature])
            grad_threshold[feature] -= (border * slope + l0) / bandwidth


@njit(cache=True, fastmath=True)
def _site_step(  # type: ignore[no-untyped-def]
    pre, inputs, targets, decoder, k, threshold, l1, l0, bandwidth,
    grad_decoder, grad_encoder, grad_bias, grad_threshold, error_sum, fired, sums,
):  # fmt: skip
    rows, features = pre.shape
    indices, values = np.empty(features, np.int32), np.empty(features, np.float32)
    maxima, scratch = np.empty(features, np.float32), np.empty(features, np.float32)
    error = np.empty(inputs.shape[1], np.float32)
    for row in range(rows):
        if k > 0:
            count = select_largest(pre[row], k, indices, values, maxima, scratch)
        else:
            count = select_above(pre[row], threshold, indices, values)
        error[:] = -targets[row]
        _decode(indices, values, count, decoder, error)
        _backward_row(indices, values, count, error, inputs[row], decoder, l1, grad_decoder, grad_encoder, grad_bias)
        if bandwidth > 0:
            _threshold_row(pre[row], threshold, bandwidth, l0, error, decoder, grad_threshold)
        error_sum += error
        sums[0] += _dot(error, error)
        sums[1] += count
        for entry in range(count):
            fired[indices[entry]] += 1
            sums[2] += values[entry]


@njit(cache=True, parallel=True)
def accumulate_step(  # type: ignore[no-untyped-def]
    pre, inputs, targets, decoder, k, threshold, l1, l0, bandwidth,
    grad_decoder, grad_encoder, grad_bias, grad_threshold, error_sum, fired, sums,
):  # fmt: skip
    """Add the gradients of all rows of all sites to the `grad_` arrays, [site, feature, d] and [site, feature].

    `pre` [site, row, feature] are pre-activations, `inputs` [site, row, d] what the encoder read, `targets`
    [site, row, d] what the decoder must sum to. Selection is the `k` largest positive entries, or with k = 0 those
    above `threshold` [site, feature]. `l1` is a number, `l0` [site]; thresholds get a gradient if `bandwidth` > 0.
    `error_sum` [site, d], `fired` [site, feature] and `sums` [site, 3] (squared error, active features, summed
    activations) are added to as well.
    """
    for site in prange(pre.shape[0]):
        _site_step(
            pre[site], inputs[site], targets[site], decoder[site], k, threshold[site], l1, l0[site], bandwidth,
            grad_decoder[site], grad_encoder[site], grad_bias[site], grad_threshold[site], error_sum[site],
            fired[site], sums[site],
        )  # fmt: skip


@njit(cache=True, parallel=True)
def smallest_kept(pre: np.ndarray, count: int) -> np.ndarray:
    """Smallest positive value among the `count` largest of each site of `pre` [site, row, feature]; 0 without any."""
    kept = np.zeros(pre.shape[0], np.float32)
    for site in prange(pre.shape[0]):
        flat = pre[site].ravel()
        positive = flat[flat > 0]
        if positive.size > 0:
            kept[site] = _kth_largest(positive, positive.size, min(count, positive.size))
    return kept
