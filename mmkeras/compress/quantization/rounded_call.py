"""The state of one call of a model with rounding: ranges and tensors."""

from keras import ops

from mmkeras.compress.quantization.rounding import extent, round_activation


class Pass:
    """The tensors of one call of `QuantizeAware`, and the ranges they have.

    Args:
        owner: The layer, with its sites and ranges.
        training: Whether ranges follow the batch.
    """

    def __init__(self, owner, training):
        self.owner = owner
        self.training = bool(training)
        self.observing = self.training or owner.calibrating
        # By identity of the tensor; it is kept, so that no other takes its id.
        self.on_grid = {}
        self.bare = {}
        self.entered = {}
        self.seen = {}

    def enter(self, x, name, dense=False):
        """Rounds the input of a product, unless it is rounded already."""
        known = self.on_grid.get(id(x)) or self.entered.get(id(x))
        if dense:
            known = known or self.bare.get(id(x))
            self.follow(x)
        if known:
            _, result, source = known
            if not self.training:
                self.owner.aliases.setdefault(name, source)
            return result
        result = self.round(x, name)
        self.entered[id(x)] = (x, result, name)
        if not self.training:
            self.owner.aliases[name] = name
        return result

    def round(self, x, name):
        """Rounds to the range of that name, which may follow the batch."""
        if name not in self.owner.ranges:
            return x
        if self.observing:
            self.observe(x, name)
        return self.keep(self.fixed(x, name), name)

    def fixed(self, x, name):
        """Rounds to the range as it is."""
        if name not in self.owner.ranges:
            return x
        low, high = ops.unstack(self.owner.ranges[name].value, 2)
        return round_activation(x, low, high, self.owner.activation_bits)

    def follow(self, x):
        """Notes which products a dense layer reads as they are."""
        known = self.on_grid.get(id(x))
        if known and not self.training:
            name = known[2].removesuffix(":out") + ":bare"
            if name in self.owner.ranges:
                self.owner.handed_on.add(name)

    def leave(self, x, layer, name):
        """Rounds the output of a product, with or without its bias."""
        bare = name.removesuffix(":out") + ":bare"
        if bare in self.owner.handed_on and self.observing:
            self.observe(x - layer.bias, bare)
        if not self.owner.rounds_bare(bare):
            return self.round(x, name)
        if self.observing:
            self.observe(x, name)
        result = self.fixed(x - layer.bias, bare) + layer.bias
        self.bare[id(result)] = (result, result, bare)
        return result

    def keep(self, result, name):
        """Notes that a tensor is rounded to a range."""
        self.on_grid[id(result)] = (result, result, name)
        return result

    def observe(self, x, name):
        """Moves a range towards the extremes of a tensor.

        Where a layer is used several times, towards those of all its uses.
        """
        variable = self.owner.ranges.get(name)
        if variable is None:
            return
        least, largest = extent(x)
        old = variable.value
        if name in self.seen:
            old, first, second = self.seen[name]
            least = ops.minimum(least, first)
            largest = ops.maximum(largest, second)
        self.seen[name] = old, least, largest
        new = ops.stack([least, largest])
        if self.owner.calibrating:
            widest = ops.minimum(old[0], least), ops.maximum(old[1], largest)
            variable.assign(ops.stack(widest))
            return
        known = ops.cast(old[1] >= old[0], old.dtype)
        variable.assign(new + known * self.owner.momentum * (old - new))
