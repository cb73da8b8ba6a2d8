"""Every fusion's formula written out by hand, on the layer's own weights.

Each function takes the layer and `{modality: tower output}`, every modality
there, and uses nothing of the layer but its weights and its numbers.
"""

from functools import reduce
from itertools import combinations

from keras import ops


def dense(x, layer):
    y = ops.matmul(x, layer.kernel)
    return y if layer.bias is None else y + layer.bias


def norm(x, layer):
    mean, variance = ops.moments(x, -1, keepdims=True)
    scale = layer.gamma * ops.rsqrt(variance + layer.epsilon)
    return x * scale + (layer.beta - mean * scale)


def vectors(f):
    return {n: f[n]["vector"] for n in sorted(f)}


def joined(f):
    return ops.concatenate(list(vectors(f).values()), -1)


def each(layers, f, activation=lambda x: x):
    return [activation(dense(v, layers[n])) for n, v in vectors(f).items()]


def weighted_mean(layer, f):
    weights = ops.softmax(layer.logits)
    parts = each(layer.projections, f, ops.relu)
    return sum(weights[i] * part for i, part in enumerate(parts))


def projection(layer, f):
    parts = each(layer.projections, f)
    return sum(norm(x, n) for x, n in zip(parts, layer.norms.values()))


def mlp(layer, f):
    return reduce(lambda x, s: ops.relu(dense(x, s)), layer.steps, joined(f))


def gated(layer, f):
    x = joined(f)
    values = each(layer.projections, f, ops.tanh)
    gates = [ops.sigmoid(dense(x, g)) for g in layer.gates.values()]
    return sum(g * v for g, v in zip(gates, values))


def film(layer, f):
    parts = []
    for name, v in vectors(f).items():
        around = joined({n: f[n] for n in f if n != name})
        scale = dense(around, layer.scales[name])
        shift = dense(around, layer.shifts[name])
        parts.append(scale * dense(v, layer.values[name]) + shift)
    return ops.relu(sum(parts))


def mixture_of_experts(layer, f):
    x = joined(f)
    gate = ops.expand_dims(ops.softmax(dense(x, layer.gate)), -1)
    values = ops.relu(dense(x, layer.values))
    shape = (-1, layer.experts, layer.units)
    return ops.sum(gate * ops.reshape(values, shape), 1)


def channels(layer, f):
    values = ops.stack(each(layer.values, f), 1)
    x = ops.relu(dense(ops.sum(values, 1), layer.squeeze))
    scores = [dense(x, layer.scores[n]) for n in sorted(f)]
    weights = ops.expand_dims(ops.softmax(ops.stack(scores, 1), 1), -1)
    groups = (-1, len(f), layer.groups, layer.units // layer.groups)
    fused = ops.sum(ops.reshape(values, groups) * weights, 1)
    return ops.reshape(fused, (-1, layer.units))


def tensor(layer, f):
    parts = [with_one(x) for x in each(layer.values, f, ops.tanh)]
    size = (layer.width + 1) ** len(parts)
    for i, part in enumerate(parts):
        axes = [1] * len(parts)
        axes[i] = layer.width + 1
        parts[i] = ops.reshape(part, (-1, *axes))
    product = reduce(ops.multiply, parts)
    return ops.relu(dense(ops.reshape(product, (-1, size)), layer.dense))


def low_rank(layer, f):
    product = reduce(ops.multiply, each(layer.factors, f))
    return ops.sum(ops.reshape(product, (-1, layer.rank, layer.units)), 1)


def bilinear(layer, f):
    parts = each(layer.values, f)
    product = sum(a * b for a, b in combinations(parts, 2))
    return ops.sum(ops.reshape(product, (-1, layer.factors, layer.units)), 1)


def multiplicative(layer, f):
    fused = []
    for name, v in vectors(f).items():
        around = joined({n: f[n] for n in f if n != name})
        context = ops.tanh(dense(around, layer.contexts[name]))
        shape = (-1, layer.width + 1, layer.units)
        values = ops.reshape(dense(v, layer.values[name]), shape)
        scale = ops.expand_dims(with_one(context), -1)
        fused.append(ops.sum(values * scale, 1))
        fused.append(dense(context, layer.shifts[name]))
    return sum(fused)


def with_one(x):
    return ops.concatenate([x, ops.ones((x.shape[0], 1))], -1)


def multi_view(layer, f):
    hidden = each(layer.hidden, f, ops.relu)
    views = [dense(x, v) for x, v in zip(hidden, layer.views.values())]
    return ops.mean(ops.stack(views, 1), 1)


def mimo(layer, f):
    x = ops.relu(sum(each(layer.into, f)))
    for step in layer.trunk.values():
        x = ops.relu(dense(x, step))
    answers = [ops.relu(dense(x, out)) for out in layer.out_of.values()]
    return ops.mean(ops.stack(answers, 1), 1)


def modality_invariant(layer, f):
    own = ops.stack(each(layer.own, f, ops.relu), 1)
    shared = ops.mean(dense(own, layer.shared), 1)
    private = each(layer.private, f, ops.relu)
    return ops.relu(dense(ops.concatenate([shared, *private], -1), layer.dense))


def graph(layer, f):
    x = ops.stack(each(layer.project, f), 1)
    for gate, message in zip(layer.gates.values(), layer.messages.values()):
        hears, tells = ops.split(dense(x, gate), 2, -1)
        edges = ops.sigmoid(hears + ops.transpose(tells, (0, 2, 1)))
        edges = edges + ops.eye(len(f))
        edges = edges / ops.sum(edges, -1, keepdims=True)
        x = x + ops.relu(dense(ops.matmul(edges, x), message))
    return ops.mean(x, 1)


def average(layer, f):
    return sum(each(layer.answers, f, ops.softmax)) / len(f)


def weighted_average(layer, f):
    answers = each(layer.answers, f, ops.softmax)
    return sum(s * y for s, y in zip(layer.shares.values(), answers))


def product_of_experts(layer, f):
    return ops.softmax(sum(each(layer.answers, f)))


def stacking(layer, f):
    answers = ops.concatenate(each(layer.answers, f), -1) / len(f)
    return ops.softmax(dense(answers, layer.stack))


FORMULAS = {
    "mean": lambda m, f: sum(each(m.projections, f, ops.relu)) / len(f),
    "weighted_mean": weighted_mean,
    "max": lambda m, f: reduce(ops.maximum, each(m.projections, f, ops.relu)),
    "concat": lambda m, f: ops.relu(dense(joined(f), m.dense)),
    "projection": projection,
    "mlp": mlp,
    "gated": gated,
    "film": film,
    "mixture_of_experts": mixture_of_experts,
    "multi_channel_attention": channels,
    "tensor": tensor,
    "low_rank": low_rank,
    "bilinear": bilinear,
    "multiplicative": multiplicative,
    "graph": graph,
    "multi_view": multi_view,
    "mimo": mimo,
    "modality_invariant": modality_invariant,
    "average": average,
    "weighted_average": weighted_average,
    "product_of_experts": product_of_experts,
    "stacking": stacking,
}
