"""The formulas of fusions that read tokens; see `fusion_formulas`."""

from fusion_formulas import dense, norm, vectors
from keras import ops

MASKED = -30.0


def heads(x, count):
    size = x.shape[-1] // count
    return ops.transpose(
        ops.reshape(x, (-1, x.shape[1], count, size)), (0, 2, 1, 3)
    )


def attention(x, context, layer, mask):
    count = layer.num_heads
    query = heads(dense(x, layer.ask), count)
    told = heads(dense(context, layer.tell), 2 * count)
    keys, values = told[:, :count], told[:, count:]
    scores = ops.matmul(query, ops.transpose(keys, (0, 1, 3, 2)))
    scores = scores * (x.shape[-1] // count) ** -0.5
    if mask is not None:
        scores = scores + ((1 - mask) * MASKED)[:, None, None]
    answer = ops.matmul(ops.softmax(scores), values)
    answer = ops.transpose(answer, (0, 2, 1, 3))
    return dense(ops.reshape(answer, (-1, *x.shape[1:])), layer.join)


def block(x, layer, mask=None, context=None):
    y = norm(x, layer.norm)
    told = y if context is None else norm(context, layer.context_norm)
    x = x + attention(y, told, layer.attention, mask)
    wide = ops.relu(dense(norm(x, layer.norm_2), layer.wide))
    return x + dense(wide, layer.narrow)


def read(layer, f):
    tokens = {
        n: dense(f[n]["tokens"], layer.projections[n]) * f[n]["mask"][..., None]
        for n in sorted(f)
    }
    return tokens, {n: f[n]["mask"] for n in tokens}


def together(parts, axis=1):
    return ops.concatenate(list(parts.values()), axis)


def masked_mean(x, mask):
    total = ops.maximum(ops.sum(mask, 1, keepdims=True), 1)
    return ops.sum(x * mask[..., None], 1) / total


def repeated(learned, x):
    return ops.tile(learned, (x.shape[0], 1, 1))


def self_attention(layer, f):
    x, mask = (together(each) for each in read(layer, f))
    for i in range(layer.depth):
        x = block(x, layer.parts[f"block_{i}"], mask)
    return masked_mean(norm(x, layer.parts["norm"]), mask)


def perceiver(layer, f):
    tokens, mask = (together(each) for each in read(layer, f))
    x = repeated(layer.latent, tokens)
    for i in range(layer.depth):
        x = block(x, layer.parts[f"reads_{i}"], mask, tokens)
        x = block(x, layer.parts[f"thinks_{i}"])
    return ops.mean(norm(x, layer.parts["norm"]), 1)


def bottleneck(layer, f):
    tokens, masks = read(layer, f)
    count, parts = layer.bottleneck, layer.parts
    shared = repeated(layer.shared, together(tokens))
    real = ops.ones((shared.shape[0], count))
    for i in range(layer.depth):
        versions = []
        for n in tokens:
            x = ops.concatenate([shared, tokens[n]], 1)
            mask = ops.concatenate([real, masks[n]], 1)
            x = block(x, parts[f"{n}_block_{i}"], mask)
            versions.append(x[:, :count])
            tokens[n] = x[:, count:]
        shared = sum(versions) / len(versions)
    answers = [
        masked_mean(norm(tokens[n], parts[f"{n}_norm"]), masks[n])
        for n in tokens
    ]
    return sum(answers) / len(answers)


def mult(layer, f):
    tokens, masks = read(layer, f)
    answers = []
    for n in tokens:
        heard = []
        for other in [o for o in tokens if o != n]:
            x = tokens[n]
            for i in range(layer.depth):
                part = layer.parts[f"{n}_asks_{other}_{i}"]
                x = block(x, part, masks[other], tokens[other])
            heard.append(x)
        x = ops.concatenate(heard, -1)
        x = block(x, layer.parts[f"{n}_block"], masks[n])
        x = norm(x, layer.parts[f"{n}_norm"])
        answers.append(masked_mean(x, masks[n]))
    return ops.relu(dense(ops.concatenate(answers, -1), layer.dense))


def cross_attention(layer, f):
    part, answers = layer.parts, []
    keys, values = (
        {n: dense(f[n]["tokens"], part[f"{n}_{role}"]) for n in sorted(f)}
        for role in ("key", "value")
    )
    for n, v in vectors(f).items():
        others = [o for o in keys if o != n]
        own = dense(v, part[f"{n}_self"])
        query = dense(own, part[f"{n}_query"])
        split = (-1, layer.num_heads, layer.units // layer.num_heads)
        query = ops.reshape(query, split)[:, None]
        # The keys, then the values, of all others: (batch, tokens, heads, d).
        k, v = (
            ops.reshape(x, (query.shape[0], -1, *split[1:]))
            for x in (
                ops.concatenate([each[o] for o in others], 1)
                for each in (keys, values)
            )
        )
        mask = ops.concatenate([f[o]["mask"] for o in others], 1)[..., None]
        scores = ops.sum(query * k, -1) / split[2] ** 0.5
        scores = scores * mask + (1 - mask) * MASKED
        weights = ops.softmax(scores, 1) * mask
        answer = ops.sum(v * weights[..., None], 1)
        own = own + ops.reshape(answer, (-1, layer.units))
        answers.append(norm(own, part[f"{n}_norm"]))
    return ops.relu(dense(ops.concatenate(answers, -1), layer.dense))


FORMULAS = {
    "cross_attention": cross_attention,
    "self_attention": self_attention,
    "bottleneck": bottleneck,
    "mult": mult,
    "perceiver": perceiver,
}
