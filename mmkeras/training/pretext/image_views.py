"""Two random views of pictures: images, the frames of a clip, volumes."""

import keras
from keras import ops

from mmkeras.training.pretext.random_draws import Drawing, as_before


@keras.saving.register_keras_serializable(package="mmkeras")
class PictureViews(Drawing):
    """Two random views of each image, clip or volume, one batch after another.

    All frames of a clip, or slices of a volume, are changed alike.

    Args:
        crop: float, least share of the area that is left, and then enlarged.
        flip: bool, whether half of them are mirrored; off by default, since a
            mirrored digit or letter is another one.
        contrast: float, largest change of the contrast of a channel.
        brightness: float, largest shift of a channel, in deviations of the
            sample.
        noise: float, largest deviation of the noise, in deviations of the
            sample.
        erase: float, longest side of a box that becomes grey, as a share.

    Call arguments: `(batch, ..., height, width, channels)`.

    Output shape: `(2 * batch, ..., height, width, channels)`.
    """

    def __init__(
        self,
        crop=0.5,
        flip=False,
        contrast=0.4,
        brightness=0.4,
        noise=0.1,
        erase=0.4,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.crop = crop
        self.flip = flip
        self.contrast = contrast
        self.brightness = brightness
        self.noise = noise
        self.erase = erase

    def call(self, x):
        y = ops.cast(ops.concatenate([x, x], axis=0), "float32")
        y = self._light(y)
        shape = y.shape
        if len(shape) == 5:
            # Frames as channels.
            y = ops.transpose(y, (0, 2, 3, 1, 4))
            y = ops.reshape(y, (-1, *shape[2:4], shape[1] * shape[4]))
        y = self._erase(self._cut_out(y))
        if len(shape) == 5:
            y = ops.reshape(y, (-1, *shape[2:4], shape[1], shape[4]))
            y = ops.transpose(y, (0, 3, 1, 2, 4))
        return as_before(y, x)

    def _light(self, y):
        one = (1,) * (len(y.shape) - 2) + (y.shape[-1],)
        axes = tuple(range(1, len(y.shape)))
        mean = ops.mean(y, axes[:-1], keepdims=True)
        deviation = ops.std(y, axes, keepdims=True)
        gain = self.uniform(y, *one, low=1 - self.contrast, high=1.0)
        shift = self.uniform(y, *one, low=-1.0) * self.brightness
        grain = self.uniform(y, *one[:-1], 1) * self.noise * self.normal(y)
        return (y - mean) * gain + mean + deviation * (shift + grain)

    def _cut_out(self, y):
        height, width = y.shape[1:3]
        side = ops.sqrt(self.uniform(y, 1, low=self.crop))
        most = 0.3 * (1 - self.crop)
        shape = ops.exp(self.uniform(y, 1, low=-most, high=most))
        across, down = (
            ops.minimum(side * s, 1.0) for s in (shape, 1.0 / shape)
        )
        left = self.uniform(y, 1) * (1 - across) * (width - 1.0)
        top = self.uniform(y, 1) * (1 - down) * (height - 1.0)
        if self.flip:
            mirrored = self.uniform(y, 1) < 0.5
            right = left + across * (width - 1.0)
            left = ops.where(mirrored, right, left)
            across = ops.where(mirrored, -across, across)
        none = ops.zeros_like(left)
        rows = [across, none, left, none, down, top, none, none]
        return ops.image.affine_transform(
            y, ops.concatenate(rows, axis=1), data_format="channels_last"
        )

    def _erase(self, y):
        if not self.erase:
            return y
        down = self.stretch(y, y.shape[1], self.erase)
        across = self.stretch(y, y.shape[2], self.erase)
        box = ops.expand_dims(down, 2) * ops.expand_dims(across, 1)
        mean = ops.mean(y, (1, 2), keepdims=True)
        return ops.where(ops.expand_dims(box, -1) > 0, mean, y)
