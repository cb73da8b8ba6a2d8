"""A vision transformer: the encoder of keras_hub over patches of our own."""

from dataclasses import dataclass
from typing import ClassVar

import keras
from keras import layers, ops

from mmkeras.options import option
from mmkeras.towers.hub import load_backbone
from mmkeras.towers.image_hub import ImageBackbone, three_channels
from mmkeras.towers.masked_layers import LearnedPosition
from mmkeras.values import COUNT


@dataclass(frozen=True, kw_only=True)
class ImageViT(ImageBackbone):
    """Options of a vision transformer.

    Args:
        pretrained: Name or local folder of a keras_hub preset, which then
            sets the other sizes; the image is resized to what it was
            trained on.
        filters: A quarter of the width.
        depth: Blocks.
        patch: Side of a patch.
        heads: Attention heads; divides four times the `filters`.
    """

    one_width: ClassVar[bool] = False

    filters: int = option(16, COUNT, role="width")
    depth: int = option(3, COUNT)
    patch: int = option(8, COUNT, "pixels")
    heads: int = option(4, COUNT, role="parts")


@keras.saving.register_keras_serializable(package="mmkeras")
class ClassToken(layers.Layer):
    """Puts a learned row before the others.

    Input shape: `(batch, rows, units)`; output `(batch, 1 + rows, units)`.
    """

    def build(self, input_shape):
        self.token = self.add_weight(
            shape=(1, 1, input_shape[-1]), initializer="zeros", name="token"
        )

    def call(self, x):
        first = ops.zeros_like(x[:, :1]) + self.token
        return ops.concatenate([first, x], axis=1)


def vit(x, options, name, skips):
    """Applies a ViT to normalised pixels; `(batch, patches, width)`.

    Its one map is the grid of the patches.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020 (arXiv
    2010.11929).
    """
    x = three_channels(x, options.variant, name)
    height, width = x.shape[1:3]
    if options.pretrained:
        hub = load_backbone("ViTBackbone", {}, options.pretrained)
        # Its positions are learned for one size of image.
        size = hub.inputs[0].shape[1:3]
        if (height, width) != size:
            x = layers.Resizing(*size, name=f"{name}_resize")(x)
        return _embed_and_encode(x, hub, name, skips)
    patch, filters, heads = options.patch, options.filters, options.heads
    if height % patch or width % patch or 4 * filters % heads:
        raise ValueError(
            "`patch` must divide the height and the width of the "
            "image, and `heads` four times the `filters`. Received: "
            f"patch={patch} with {height}x{width} pixels, heads={heads} with "
            f"filters={filters}"
        )
    config = dict(
        image_shape=x.shape[1:],
        patch_size=patch,
        num_layers=options.depth,
        num_heads=heads,
        hidden_dim=4 * filters,
        mlp_dim=16 * filters,
        # The mean of all patches serves as well, and has no token to learn.
        use_class_token=False,
    )
    hub = load_backbone("ViTBackbone", config)
    return _embed_and_encode(x, hub, name, skips)


def _embed_and_encode(x, hub, name, skips):
    """Applies the encoder of a ViT to patches embedded by stock layers.

    What keras_hub 0.32 saves of its own embedding cannot be loaded.
    """
    own = hub.get_layer("vit_patching_and_embedding")
    embed = layers.Conv2D(
        own.hidden_dim,
        own.patch_size,
        strides=own.patch_size,
        use_bias=own.use_patch_bias,
        name=f"{name}_patches",
    )
    x = embed(x)
    grid = x.shape[1:]
    embed.set_weights(own.patch_embedding.get_weights())
    x = layers.Reshape((-1, own.hidden_dim), name=f"{name}_patch_rows")(x)
    if own.use_class_token:
        token = ClassToken(name=f"{name}_class_token")
        x = token(x)
        token.token.assign(own.class_token)
    place = LearnedPosition(name=f"{name}_position")
    x = place(x)
    rows = ops.expand_dims(own.position_embedding.embeddings, 0)
    place.position.assign(rows)
    x = hub.get_layer("vit_encoder")(x)
    if not skips:
        return x, []
    rows = x[:, 1:] if own.use_class_token else x
    return x, [layers.Reshape(grid, name=f"{name}_grid")(rows)]
